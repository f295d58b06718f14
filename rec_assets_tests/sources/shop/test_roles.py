"""Event types and ratings of a mapping: which rows teach, which are history, which filter, which are dropped."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from rec_assets.common.errors import ActionableError
from rec_assets.sources.roles import HISTORY, SEEN, TARGET
from rec_assets.sources.shop.check import count_events, summarize
from rec_assets.sources.shop.guess import guess_shop
from rec_assets.sources.shop.guess.events import event_roles
from rec_assets.sources.shop.mapping import Interactions, Shop, load_shop
from rec_assets.sources.shop.writing import as_toml
from rec_assets_tests.sources.shop.opened import opened

START = datetime(2024, 2, 1, 12, tzinfo=UTC)
EVENTS = ["view", "purchase", "hide", "impression"]
COLUMNS = {"user": "user_id", "item": "product_id", "time": "at"}


def export(folder: Path, **more: list[Any]) -> Path:
    """A row of each event type a day: users view item 1, buy item 2, hide item 3, and do not look at item 4."""
    columns = {"event_type": EVENTS, "product_id": ["1", "2", "3", "4"], **more}
    days = [pl.DataFrame(columns).with_columns(at=pl.lit(START + timedelta(days=day))) for day in range(4)]
    rows = pl.concat(days).join(pl.DataFrame({"user_id": ["ann", "bob"]}), how="cross")
    file = folder / "events.parquet"
    rows.write_parquet(file)
    return file


def roles(shop: Shop, folder: Path) -> dict[str, int]:
    """Returns the role of each item's rows on the first day."""
    source = opened(shop, folder)
    day = source.interactions(START.date())
    names = source.codes.with_texts(day.select("item_id"))["item_id"]
    return dict(zip(names, day["role"], strict=True))


def shop_with(folder: Path, **interactions: Any) -> Shop:
    draft = guess_shop(export(folder, stars=[None, "5", "2", "?"]), folder).shop
    mapping = Interactions(files="events.parquet", **COLUMNS, **interactions)
    return draft.model_copy(update={"interactions": mapping})


def test_init_gives_each_event_type_a_role_that_its_owner_can_read(tmp_path: Path) -> None:
    draft = guess_shop(export(tmp_path), tmp_path)
    assert roles(draft.shop, tmp_path) == {"1": TARGET, "2": TARGET, "3": SEEN}
    assert {"    teach: purchase, view", "    only filter: hide"} <= set(draft.notes)
    (tmp_path / "shop.toml").write_text(as_toml(draft.shop))
    assert load_shop(tmp_path / "shop.toml") == draft.shop


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({}, {"1": 0, "2": 0, "3": 0, "4": 0}),
        ({"events": ["purchase"]}, {"2": 0}),
        ({"events": ["purchase"], "history_events": ["view"], "seen_events": ["hide"]}, {"1": 1, "2": 0, "3": 2}),
        ({"history_events": ["view"], "seen_events": ["hide", "impression"]}, {"1": 1, "2": 0, "3": 2, "4": 2}),
    ],
)
def test_each_list_of_the_mapping_is_a_role(
    tmp_path: Path, lists: dict[str, list[str]], expected: dict[str, int]
) -> None:
    assert roles(shop_with(tmp_path, event="event_type", **lists), tmp_path) == expected


@pytest.mark.parametrize(
    ("low", "expected"),
    [("dropped", {"2": TARGET}), ("history", {"2": 0, "3": HISTORY}), ("seen", {"2": 0, "3": SEEN})],
)
def test_low_ratings_have_the_role_of_the_mapping_and_rows_without_a_number_are_dropped(
    tmp_path: Path, low: str, expected: dict[str, int]
) -> None:
    assert roles(shop_with(tmp_path, rating="stars", rating_at_least=4, low_ratings=low), tmp_path) == expected


def test_a_low_rating_does_not_bring_back_an_event_that_is_dropped(tmp_path: Path) -> None:
    rated = {"rating": "stars", "rating_at_least": 4, "low_ratings": "seen"}
    assert roles(shop_with(tmp_path, event="event_type", events=["purchase"], **rated), tmp_path) == {"2": TARGET}


def test_the_check_counts_the_rows_of_each_event_and_says_what_happens(tmp_path: Path) -> None:
    lists = {"events": ["purchase"], "history_events": ["view"], "seen_events": ["hide"]}
    shop = shop_with(tmp_path, event="event_type", **lists)
    counted = {name: (rows, outcome.split(":")[0]) for name, rows, outcome in count_events(opened(shop, tmp_path))}
    assert counted == {
        "view": (8, "history"),
        "purchase": (8, "teaches"),
        "hide": (8, "filters"),
        "impression": (8, "dropped"),
    }
    unfiltered = shop.model_copy(update={"seen_filter": "nothing"})
    assert (
        'set it to "marked"'
        in dict((name, told) for name, _, told in count_events(opened(unfiltered, tmp_path)))["hide"]
    )
    figures = summarize(opened(shop, tmp_path)).figures
    assert (figures["interactions"], figures["rows that do not teach"]) == ("8 (of 24 in the files)", "16")


def test_a_shop_in_which_no_row_teaches_is_refused(tmp_path: Path) -> None:
    shop = shop_with(tmp_path, event="event_type", events=["order"], history_events=["view"])
    with pytest.raises(ActionableError, match=r"no row that teaches \(events: order\)"):
        opened(shop, tmp_path)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"event": "kind", "events": ["view"], "seen_events": ["view"]}, "two roles: view"),
        ({"seen_events": ["hide"]}, "no column `event`"),
    ],
)
def test_lists_that_contradict_each_other_are_refused(entries: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Interactions(**COLUMNS, **entries)


def test_words_of_event_types_decide_their_roles() -> None:
    assert event_roles(
        ["Add-to-Cart", "remove_from_cart", "pageview", "not interested", "preview", "order_cancelled"]
    ) == {
        "events": ("Add-to-Cart", "pageview"),
        "seen_events": ("not interested",),
        "history_events": ("preview",),
    }
    assert event_roles(["1", "2"]) == {}
