from datetime import UTC, datetime

import polars as pl

from rec_assets.features.joins import join_interactions, user_features_at

MORNING = int(datetime(2025, 3, 4, 9, tzinfo=UTC).timestamp())
INTERACTIONS = {"user_id": pl.Int32, "item_id": pl.Int32, "device_type": pl.Int32, "timestamp": pl.Int64}


def rows(*given: tuple[int, int, int, int]) -> pl.LazyFrame:
    return pl.LazyFrame(given, schema=INTERACTIONS, orient="row")


USERS = pl.LazyFrame(
    {"user_id": [1, 2], "age": [30, None], "gender": [0, 1]},
    schema={"user_id": pl.Int32, "age": pl.Int32, "gender": pl.Int32},
)
ITEMS = pl.LazyFrame(
    {
        "item_id": [10, 11],
        "category_l1": [5, 6],
        "category_l2": [50, 60],
        "item_gender": [0, -1],
        "price": [9.5, 20.0],
    },
    schema={
        "item_id": pl.Int32,
        "category_l1": pl.Int32,
        "category_l2": pl.Int32,
        "item_gender": pl.Int32,
        "price": pl.Float32,
    },
)


def test_every_row_gets_the_features_of_its_user_and_item() -> None:
    joined = join_interactions(rows((1, 10, 0, MORNING)), rows(), USERS, ITEMS).collect()
    expected = {"age": 30.0, "gender": 0, "top_category": -1, "category_l1": 5, "category_l2": 50, "price": 9.5}
    assert {name: joined[name][0] for name in expected} == expected


def test_top_category_looks_back_into_the_day_before_but_never_ahead() -> None:
    yesterday = rows((1, 11, 0, MORNING - 20 * 3600))
    today = rows((1, 10, 0, MORNING), (1, 10, 0, MORNING + 60))
    joined = join_interactions(today, yesterday, USERS, ITEMS).collect()
    assert joined["top_category"].to_list() == [6, 5]


def test_an_unknown_user_is_a_row_with_unknowns() -> None:
    joined = join_interactions(rows((99, 10, 1, MORNING)), rows(), USERS, ITEMS).collect()
    assert joined.select("user_id", "age", "gender", "top_category").row(0) == (99, None, -1, -1)


def test_an_empty_day_joins_to_no_rows_of_the_same_columns() -> None:
    empty = join_interactions(rows(), rows(), USERS, ITEMS).collect()
    full = join_interactions(rows((1, 10, 0, MORNING)), rows(), USERS, ITEMS).collect()
    assert empty.height == 0
    assert empty.schema == full.schema


def test_at_the_end_of_a_day_every_known_user_has_features() -> None:
    midnight = int(datetime(2025, 3, 5, tzinfo=UTC).timestamp())
    features = user_features_at(midnight, USERS, rows((1, 10, 0, MORNING)), rows(), ITEMS).collect()
    assert features["user_id"].to_list() == [1, 2]
    assert features["top_category"].to_list() == [5, -1]
