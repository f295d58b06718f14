"""The layout of the reference design (`day_00.parquet`, `items.parquet`, …) read through a mapping."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
from PIL import Image

from rec_assets.sources.base import midnight
from rec_assets.sources.files import FilesSource
from rec_assets.sources.shop.mapping import load_shop
from rec_assets_tests.sources.shop.opened import opened

MAPPING = Path(__file__).parents[3] / "docs" / "examples" / "reference.toml"
FIRST, DAYS = date(2025, 3, 3), 14


def write(folder: Path) -> None:
    for day in range(DAYS):
        start = midnight(FIRST + timedelta(days=day))
        columns = {"user_id": [1, 2, 2], "item_id": [day % 3, 1, 2], "device_type": [0, 1, 2]}
        rows = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Int32))
        rows.with_columns(timestamp=start + pl.int_range(pl.len())).write_parquet(folder / f"day_{day:02d}.parquet")
    pl.DataFrame({"user_id": [1, 2], "age": [25, 61], "gender": [0, 1]}).write_parquet(folder / "users.parquet")
    items = {"item_id": [0, 1, 2], "price": [9.5, 20.0, 3.25], "category_l1": [4, 4, 7], "category_l2": [40, 41, 70]}
    pl.DataFrame(items | {"item_gender": [0, 1, 2]}).write_parquet(folder / "items.parquet")
    texts = {"item_id": [0, 1, 2], "product_description": ["A hat", "A coat", "A pan"]}
    pl.DataFrame(texts).write_parquet(folder / "item_descriptions.parquet")
    (folder / "item_images").mkdir()
    Image.new("RGB", (8, 8), "red").save(folder / "item_images" / "2.jpg")


def test_the_mapping_of_the_reference_layout_reads_what_the_source_of_this_layout_reads(tmp_path: Path) -> None:
    write(tmp_path)
    mapped, plain = opened(load_shop(MAPPING), tmp_path), FilesSource(str(tmp_path), FIRST)
    assert mapped.shop.days.count == DAYS
    for day in (FIRST, FIRST + timedelta(days=DAYS - 1)):
        columns = ["user_id", "item_id", "device_type", "timestamp"]
        ours, theirs = (source.interactions(day).select(columns).sort(columns) for source in (mapped, plain))
        assert ours.equals(theirs)
    ours, theirs = mapped.users().sort("user_id"), plain.users().sort("user_id")
    assert ours.select("user_id", "age", "gender").rows() == theirs.select("user_id", "age", "gender").rows()
    ours, theirs = mapped.items().sort("item_id"), plain.items().sort("item_id")
    columns = ["item_id", "price", "item_gender", "product_description"]
    assert ours.select(columns).rows() == theirs.select(columns).rows()
    # A category is a name in a mapping: the codes differ, the groups are the same.
    for level in ("category_l1", "category_l2"):
        assert ours[level].rank("dense").to_list() == theirs[level].rank("dense").to_list()
    (tmp_path / "out").mkdir()
    assert mapped.write_images(tmp_path / "out").written == 1
