"""A home on the ports of another home writes nothing and reads nothing there, and its files are for its owner only."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton.own_server import require_own_triton
from rec_assets.settings import Settings
from rec_assets.storage.own_valkey import require_own_valkey
from rec_assets_tests.servers import free_port

pytestmark = pytest.mark.slow


def rec(settings: Settings, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    ports = {name: getattr(settings, name) for name in Settings.model_fields if name.endswith("_port")}
    variables = {f"REC_{name.upper()}": str(port) for name, port in ports.items()}
    environment = os.environ | variables | {"REC_HOME": str(home)}
    command = [f"{sys.prefix}/bin/rec", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "server"),
    [
        (["recommend", "3"], "Triton"),
        (["seen", "3", "4"], "Valkey"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_commands_refuse_the_servers_of_another_home(
    shop: Settings, tmp_path: Path, words: list[str], server: str
) -> None:
    require_own_triton(shop)
    require_own_valkey(shop)
    client = redis.Redis(shop.valkey_host, shop.valkey_port)
    before = client.xlen("events")
    refused = rec(shop, tmp_path / "other", *words)
    assert refused.returncode == 1 and refused.stderr.startswith(f"{server} at 127.0.0.1:"), refused.stderr
    assert "belongs to another home" in refused.stderr and "Traceback" not in refused.stderr
    assert client.xlen("events") == before


def test_the_servers_of_another_home_are_refused_by_a_promotion_and_a_server_that_is_down_is_not_compared(
    shop: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ActionableError, match=r"(?s)belongs to another home.*rec down"):
        require_own_triton(shop.model_copy(update={"home": tmp_path}))
    require_own_triton(shop.model_copy(update={"home": tmp_path, "triton_grpc_port": free_port()}))


def test_all_files_of_a_home_are_for_their_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ports = {f"{name}_port": free_port() for name in ("valkey", "triton_grpc", "triton_metrics")}
    settings = Settings.model_validate({"home": home, **ports})
    try:
        started = rec(settings, home, "up")
        assert started.returncode == 0, started.stderr
        paths = [home, *(path for path in home.rglob("*") if not path.is_symlink())]
        modes = {str(path): stat.S_IMODE(path.lstat().st_mode) for path in paths}
    finally:
        rec(settings, home, "down")
    assert any(path.name == "valkey.log" for path in paths) and any(path.suffix == ".aof" for path in paths)
    assert {path: mode for path, mode in modes.items() if mode & 0o077} == {}
