"""Shops of unusual shapes reach a bundle or a refusal with its reason; `python -m benchmarks.zoo` runs all of them."""

from pathlib import Path

import pytest

from benchmarks.zoo import SHAPES, run, train
from rec_assets.settings import Settings, get_settings
from rec_assets.sources.shop.guess import guess_shop
from rec_assets.sources.shop.writing import as_toml
from rec_assets_tests.sources.shop.test_online_retail import EXPORT


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "outcome"), [("nothing but ids", "bundle "), ("one user", "bundle ")])
def test_a_shop_of_an_unusual_shape_gets_a_bundle_or_the_reason(
    shape: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")  # a run sets it; it is put back
    get_settings.cache_clear()
    try:
        assert run(SHAPES[shape](), tmp_path / "shop").startswith(outcome)
    finally:
        get_settings.cache_clear()


@pytest.mark.slow
def test_a_real_export_gets_a_bundle_with_the_mapping_that_was_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    mapping = tmp_path / "shop.toml"
    mapping.write_text(as_toml(guess_shop(EXPORT, tmp_path).shop))
    get_settings.cache_clear()
    try:
        settings = Settings(source="shop", shop=mapping, home=tmp_path / "home", max_epochs=2, valkey_port=1)
        assert train(settings).startswith("bundle ")
    finally:
        get_settings.cache_clear()
