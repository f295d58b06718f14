"""Shops of unusual shapes reach a bundle or a refusal with its reason; `python -m benchmarks.zoo` runs all of them."""

from pathlib import Path

import pytest

from benchmarks.zoo import SHAPES, run
from rec_assets.settings import get_settings


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "outcome"), [("nothing but ids", "bundle "), ("one user", "refused: better_than")])
def test_a_shop_of_an_unusual_shape_gets_a_bundle_or_the_reason(
    shape: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")  # a run sets it; it is put back
    get_settings.cache_clear()
    try:
        assert run(SHAPES[shape](), tmp_path / "shop").startswith(outcome)
    finally:
        get_settings.cache_clear()
