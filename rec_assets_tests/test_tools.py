import pytest

from rec_assets_tests.tools import PROMISE, require_tool


def test_a_missing_tool_skips_a_test_and_fails_it_where_it_was_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROMISE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not installed"):
        require_tool("no-such-tool")
    monkeypatch.setenv(PROMISE, "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool is not installed"):
        require_tool("no-such-tool")
    assert require_tool("sh").endswith("/sh")
