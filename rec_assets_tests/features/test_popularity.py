import polars as pl

from rec_assets.features.popularity import item_popularity


def test_every_item_is_counted_and_the_most_popular_comes_first() -> None:
    items = pl.LazyFrame({"item_id": [1, 2, 3], "category_l1": [0, 0, 1], "category_l2": [0, 1, 2]})
    counts = item_popularity(pl.LazyFrame({"item_id": [2, 3, 3, 2, 3]}), items).collect()
    assert counts.select("item_id", "interactions").rows() == [(3, 3), (2, 2), (1, 0)]


def test_ties_go_to_the_smaller_id() -> None:
    items = pl.LazyFrame({"item_id": [3, 1, 2], "category_l1": [0, 0, 0], "category_l2": [0, 0, 0]})
    counts = item_popularity(pl.LazyFrame({"item_id": [3, 1, 2]}), items).collect()
    assert counts["item_id"].to_list() == [1, 2, 3]
