"""Shops of unusual shapes reach a bundle or a refusal with its reason; `python -m benchmarks.zoo` runs all of them."""

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from benchmarks.zoo import FIRST, SHAPES, Frames, run, train
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings, get_settings
from rec_assets.sources.shop.check import find_problems, summarize
from rec_assets.sources.shop.guess import guess_shop
from rec_assets.sources.shop.writing import as_toml
from rec_assets_tests.sources.shop.opened import opened
from rec_assets_tests.sources.shop.test_online_retail import EXPORT


def write_export(made: Frames, folder: Path) -> None:
    """Writes a shop as one file a table, with times as text, as shops export them."""
    start = datetime(FIRST.year, FIRST.month, FIRST.day)
    time = pl.lit(start) + pl.duration(days="day", seconds="second")
    made.rows.with_columns(time.dt.to_string().alias("bought_at")).drop("day", "second").write_csv(
        folder / "orders.csv"
    )
    made.items.write_csv(folder / "products.csv")
    made.users.write_csv(folder / "customers.csv")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_mapped_checked_and_read_or_refused_with_a_next_step(shape: str, tmp_path: Path) -> None:
    made = SHAPES[shape]()
    write_export(made, tmp_path)
    try:
        shop = guess_shop(tmp_path, tmp_path).shop
    except ActionableError as error:
        assert made.days < 3 or made.rows.height < 10
        assert error.next_step
        return
    source = opened(shop, tmp_path)
    assert all(one.where and one.rows and one.outcome for one in find_problems(source))
    assert summarize(source).figures
    assert source.items().height == made.items.height
    rows = sum(source.interactions(shop.days.first + timedelta(days=n)).height for n in range(shop.days.count))
    used = made.rows.filter(pl.col("day") >= (shop.days.first - FIRST).days)
    assert used.unique(["user_id", "item_id", "day", "second"]).height <= rows <= used.height


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
