"""Tests of generated retail: independent reproducible days, the contract, and the signals for models."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.sources import open_source, read_day, read_items, read_users
from rec_assets.sources.base import midnight
from rec_assets.sources.retail import RetailParameters, RetailSource
from rec_assets.sources.retail.words import CATEGORIES, STYLES
from rec_assets_tests.sources.conftest import SMALL

START = SMALL.start_date
LAST = START + timedelta(days=SMALL.days - 1)


def test_the_default_source_is_generated_retail_of_the_settings_size() -> None:
    source = open_source(Settings(retail_users=50, retail_items=90, retail_interactions_per_day=100, days=1))
    assert source.items().height == 90
    assert source.users().height == 50


def test_there_are_20_categories_and_84_styles() -> None:
    assert (len(CATEGORIES), len(STYLES)) == (20, 84)


@pytest.mark.parametrize("parameters", [SMALL, RetailParameters(users=1, items=1, interactions_per_day=1, days=1)])
def test_generated_data_satisfies_the_contract_unchanged(parameters: RetailParameters) -> None:
    source = RetailSource(parameters)
    items, users = read_items(source), read_users(source)
    checked = read_day(source, START, items.frame["item_id"], users.frame["user_id"])
    assert checked.report.rows == checked.report.rows_in
    assert checked.report.unknown_users == 0
    assert checked.frame.drop("role").equals(source.interactions(START))


def test_a_day_is_the_same_drawn_alone_in_order_or_from_a_longer_history(shop: RetailSource) -> None:
    alone = RetailSource(SMALL).interactions(LAST)
    assert alone.equals(shop.interactions(LAST))
    longer = RetailSource(replace(SMALL, days=9))
    assert alone.equals(longer.interactions(LAST))
    assert shop.users().equals(longer.users().head(shop.users().height))


def test_another_seed_is_another_shop(shop: RetailSource) -> None:
    other = RetailSource(replace(SMALL, seed=8))
    assert not other.interactions(START).equals(shop.interactions(START))
    assert not other.items().equals(shop.items())


def test_a_day_before_the_start_is_refused(shop: RetailSource) -> None:
    with pytest.raises(ActionableError, match="starts on 2025-03-03"):
        shop.interactions(date(2025, 3, 2))


def test_no_user_or_item_has_interactions_before_its_first_day(shop: RetailSource) -> None:
    arrivals = {"user_id": shop.users(), "item_id": shop.items()}
    assert all(0 < frame["first_day"].drop_nulls().len() < 0.2 * frame.height for frame in arrivals.values())
    for day in (START, LAST):
        rows = shop.interactions(day)
        for key, frame in arrivals.items():
            first = rows.join(frame, on=key)["first_day"].drop_nulls()
            assert (first <= day).all()


def test_new_items_and_users_have_interactions_after_their_arrival(shop: RetailSource) -> None:
    rows = shop.interactions(LAST)
    assert rows.join(shop.items(), on="item_id")["first_day"].drop_nulls().len() > 0
    assert rows.join(shop.users(), on="user_id")["first_day"].drop_nulls().len() > 0


def test_a_day_has_about_the_configured_number_of_rows(shop: RetailSource) -> None:
    assert shop.interactions(START).height == pytest.approx(SMALL.interactions_per_day, rel=0.15)


def test_a_session_has_one_device_one_category_and_at_most_two_styles(shop: RetailSource) -> None:
    rows = shop.interactions(START).join(shop.items(), on="item_id").sort("user_id", "timestamp")
    # A user with all events close in time has one session.
    sessions = rows.group_by("user_id").agg(
        pl.col("device_type", "category_l1", "category_l2", "item_id").n_unique(),
        events=pl.len(),
        span=pl.col("timestamp").max() - pl.col("timestamp").min(),
    )
    single = sessions.filter((pl.col("span") < 2_000) & (pl.col("events") <= 6))
    coherent = (pl.col("device_type") == 1) & (pl.col("category_l1") == 1) & (pl.col("category_l2") <= 2)
    assert single.select(coherent.mean()).item() > 0.95
    assert single.select((pl.col("item_id") == pl.col("events")).mean()).item() > 0.95


def test_hour_and_device_change_the_oracle_list_of_an_anonymous_user(shop: RetailSource) -> None:
    at = midnight(START)
    morning, evening = shop.best_ranking([-1, -1], [at + 8 * 3_600, at + 21 * 3_600], [1, 0], 10)
    assert len(set(morning) & set(evening)) <= 3


def test_taste_drifts_slowly(shop: RetailSource) -> None:
    def similarity(days: int) -> float:
        at = midnight(START) + 12 * 3_600
        users = np.arange(1, 101)
        first, later = (shop.probabilities(users, np.full(100, at + d * 86_400), np.full(100, -1)) for d in (0, days))
        return float(np.minimum(first, later).sum(axis=1).mean())

    assert 0.85 < similarity(1) < 1
    assert similarity(13) < similarity(1) - 0.1


def test_titles_and_descriptions_name_style_and_category(shop: RetailSource) -> None:
    for row in shop.items().head(40).iter_rows(named=True):
        category, style = STYLES[row["category_l2"]]
        assert category == row["category_l1"]
        assert style.noun in row["title"]
        assert style.noun in row["product_description"]
        assert CATEGORIES[category].name in row["product_description"]


def test_every_item_has_its_own_image(shop: RetailSource, tmp_path: Path) -> None:
    small = RetailSource(replace(SMALL, items=100))
    assert small.write_images(tmp_path).written == 100
    files = sorted(tmp_path.iterdir())
    assert len({file.read_bytes() for file in files}) == 100
    with Image.open(tmp_path / "1.jpg") as image:
        assert (image.size, image.mode) == ((224, 224), "RGB")
