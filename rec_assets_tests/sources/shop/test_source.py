"""Exports of many forms through `rec init` and the source: files, columns, ids, times and gaps."""

import gzip
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from upath import UPath

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.sources.contract import check_interactions, check_items, check_users
from rec_assets.sources.shop.check import find_problems, summarize
from rec_assets.sources.shop.codes import ITEM, USER
from rec_assets.sources.shop.guess import guess_shop
from rec_assets.sources.shop.mapping import Days, Rows, load_shop
from rec_assets.sources.shop.source import ShopSource
from rec_assets.sources.shop.tables import connect, open_table
from rec_assets.sources.shop.writing import as_toml
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.sources.shop.opened import opened

START = datetime(2024, 2, 1, 12, tzinfo=UTC)
DAYS, USERS, ITEMS = 10, 6, 8
COLUMNS = ["customer_id", "sku", "order_date"]


def orders() -> pl.DataFrame:
    """Every user buys three items a day, on 9 of 10 days."""
    rows = [
        {
            "customer_id": f"C-{user:03d}",
            "sku": f"{(user + day + n) % ITEMS:04d}",
            "order_date": START + timedelta(days=day),
        }
        for day in range(DAYS)
        if day != 4
        for user in range(USERS)
        for n in range(3)
    ]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def catalog() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "sku": [f"{item:04d}" for item in range(ITEMS)],
            "product_name": [f"Thing {item}" for item in range(ITEMS)],
            "price": [f"{item},50 €" if item else "" for item in range(ITEMS)],
            "category": ["Home > Kitchen" if item % 2 else "Garden" for item in range(ITEMS)],
        }
    )


def customers() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "customer_id": [f"C-{user:03d}" for user in range(USERS)],
            "gender": ["f", "m", "", "F", "male", "x"],
            "age": [30, None, 17, 99, 45, 200],
        }
    )


def write(folder: Path, form: str) -> Path:
    """Writes the same shop in one of the forms that people have; returns what `rec init` is pointed at."""
    folder.mkdir(exist_ok=True)
    frame = orders()
    if form == "csv.gz":
        (folder / "orders.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))
        return folder / "orders.csv.gz"
    if form == "jsonl":
        lines = [json.dumps(row, default=str) for row in frame.to_dicts()]
        (folder / "orders.jsonl").write_text("\n".join(lines))
        return folder
    if form == "days":
        by_day = frame.partition_by("order_date", as_dict=True)
        for (moment,), rows in by_day.items():
            rows.write_parquet(folder / f"orders-{moment:%Y-%m-%d}.parquet")
    elif form == "spark":
        (folder / "orders").mkdir()
        for part in range(3):
            frame[part::3].write_parquet(folder / "orders" / f"part-{part:05d}.snappy.parquet")
        (folder / "orders" / "_SUCCESS").touch()
    else:
        frame.write_parquet(folder / "orders.parquet")
    catalog().write_csv(folder / "products.csv")
    customers().write_parquet(folder / "customers.parquet")
    return folder


@pytest.mark.parametrize("form", ["csv.gz", "jsonl", "days", "spark", "parquet"])
def test_every_form_of_the_same_shop_gives_the_same_rows(tmp_path: Path, form: str) -> None:
    draft = guess_shop(write(tmp_path / "data", form), tmp_path)
    (tmp_path / "shop.toml").write_text(as_toml(draft.shop, draft.notes))
    shop = load_shop(tmp_path / "shop.toml")
    assert shop == draft.shop
    source = opened(shop, tmp_path)
    first = shop.days.first
    items = check_items(source.items(), "items").frame
    users = check_users(source.users(), "users").frame
    assert (items.height, users.height) == (ITEMS, USERS)
    kept = 0
    for number in range(shop.days.count):
        day = first + timedelta(days=number)
        checked = check_interactions(source.interactions(day), day, "rows", items["item_id"], users["user_id"])
        assert checked.report.unknown_items_dropped == checked.report.unknown_users == 0
        kept += checked.report.rows
    assert kept == orders().filter(pl.col("order_date").dt.date() >= first).height
    texts = source.codes.decode(ITEM, source.interactions(date(2024, 2, 1))["item_id"])
    assert sorted(texts.unique()) == sorted(orders().filter(pl.col("order_date") == START)["sku"].unique())


def test_items_and_users_get_what_their_tables_say(tmp_path: Path) -> None:
    shop = guess_shop(write(tmp_path / "data", "parquet"), tmp_path).shop
    assert (shop.items.title, shop.items.price, shop.items.categories) == ("product_name", "price", ("category",))
    split = shop.model_copy(update={"items": shop.items.model_copy(update={"category_separator": ">"})})
    source = opened(split, tmp_path)
    items = check_items(source.items(), "items").frame
    assert items["price"].to_list() == [None, *(item + 0.5 for item in range(1, ITEMS))]
    assert items["title"].to_list()[1] == "Thing 1"
    names = source.codes.decode("category_l2", items["category_l2"]).to_list()
    assert names[:2] == ["Garden", "Home > Kitchen"]
    users = check_users(source.users(), "users").frame
    assert users["gender"].to_list() == [0, 1, -1, 0, 1, 2]
    assert users["age"].to_list() == [30, None, 17, 99, 45, None]


def test_brands_margins_and_stocks_are_read_and_the_check_says_what_it_found(tmp_path: Path) -> None:
    data = write(tmp_path / "data", "parquet")
    stocks = ["3", "-1", "", *["7"] * (ITEMS - 3)]
    facts = {"vendor": ["Acme", "", *["Best  Co"] * (ITEMS - 2)], "margin": ["0,25"] * ITEMS, "units": stocks}
    catalog().with_columns(pl.Series(name, values) for name, values in facts.items()).write_csv(data / "products.csv")
    draft = guess_shop(data, tmp_path)
    assert draft.shop.items.brand == "vendor" and "  brand: vendor" in draft.notes
    mapped = draft.shop.items.model_copy(update={"margin": "margin", "stock": "units"})
    source = opened(draft.shop.model_copy(update={"items": mapped}), tmp_path)
    items = check_items(source.items(), "items").frame
    assert source.codes.decode("brand", items["brand"]).to_list() == ["Acme", None, *["Best Co"] * (ITEMS - 2)]
    assert items["margin"].to_list() == [0.25] * ITEMS
    assert items["stock"].to_list() == [3, -1, None, *[7] * (ITEMS - 3)]
    figures = summarize(source).figures
    assert (figures["brand"], figures["stock"]) == ("7 of 8 items, 2 values", "7 of 8 items, 3 values from -1 to 7")
    assert {one.where: one.rows for one in find_problems(source)}["items, vendor"] == 1


def test_a_later_export_extends_the_codes_and_is_read_anew(tmp_path: Path) -> None:
    data = write(tmp_path / "data", "csv.gz")
    shop = guess_shop(data, tmp_path).shop
    before = opened(shop, tmp_path)
    more = pl.DataFrame({"customer_id": ["A-new"], "sku": ["0000"], "order_date": [START + timedelta(days=9, hours=3)]})
    later = pl.concat([orders(), more]).write_csv()
    data.write_bytes(gzip.compress(later.encode()))
    after = ShopSource(shop, tmp_path, tmp_path / "cache", before.codes)
    grown = before.codes.extended(after.identifiers())
    assert grown.encode(USER, before.codes.table.filter(kind=USER)["value"]).to_list() == list(range(USERS))
    assert grown.encode(USER, pl.Series(["A-new"])).to_list() == [USERS]


def test_items_outside_the_catalog_are_counted_and_dropped(tmp_path: Path) -> None:
    data = write(tmp_path / "data", "parquet")
    stray = pl.DataFrame([("C-000", "9999", START)], schema=COLUMNS, orient="row")
    pl.concat([orders(), stray]).write_parquet(data / "orders.parquet")
    source, day = opened(guess_shop(data, tmp_path).shop, tmp_path), START.date()
    items, users = check_items(source.items(), "items").frame, check_users(source.users(), "users").frame
    checked = check_interactions(source.interactions(day), day, "rows", items["item_id"], users["user_id"])
    assert (checked.report.unknown_items_dropped, items.height) == (1, ITEMS)


def test_the_check_lists_every_problem_with_its_rows(tmp_path: Path) -> None:
    data = write(tmp_path / "data", "parquet")
    frame = orders().with_columns(pl.col("order_date").cast(pl.String))
    bad_rows = [("", "0001", "2024-02-02"), ("C-000", "9999", "2024-02-02"), ("C-001", "0001", "soon")]
    bad = pl.DataFrame(bad_rows, schema=COLUMNS, orient="row")
    pl.concat([frame, frame.head(2), bad]).write_parquet(data / "orders.parquet")
    source = opened(guess_shop(data, tmp_path).shop, tmp_path)
    found = {(one.where, one.rows): one for one in find_problems(source)}
    assert found["interactions, customer_id", 1].examples == ("",)
    assert found["interactions, order_date", 1].examples == ("soon",)
    assert found["interactions, sku", 1].examples == ("9999",)
    assert found["interactions", 2].outcome.startswith("dropped: exact duplicates")
    assert found["items, price", 1].outcome.startswith("kept")
    summary = summarize(source)
    assert summary.figures["items"].startswith("8 in the catalog")
    assert set(summary.absent) == {"images", "devices"}


def test_images_are_found_by_any_extension_and_no_link_leads_out(tmp_path: Path) -> None:
    data = write(tmp_path / "data", "parquet")
    images = data / "images"
    (images / "more").mkdir(parents=True)
    for name in ("0001.png", "more/0002.JPG", "3.webp"):
        Image.new("RGB", (8, 8), "red").save(images / name)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (images / "0004.jpg").symlink_to(tmp_path / "secret.jpg")
    (images / "0005.jpg").symlink_to(tmp_path / "nowhere.jpg")
    source = opened(guess_shop(data, tmp_path).shop, tmp_path)
    (tmp_path / "out").mkdir()
    assert source.write_images(tmp_path / "out").written == 2
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"1.jpg", "2.jpg"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name = 3", "name"),
        ("name = 'a b'", "name"),
        ("nonsense", "not valid TOML"),
        ("name = 'a'\ntimezone = 'Mars'", "no time zone"),
        ("name = 'a'\ncolor = 1", "color"),
    ],
)
def test_a_wrong_mapping_names_the_entry(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "shop.toml").write_text(text)
    with pytest.raises(ActionableError, match=problem):
        load_shop(tmp_path / "shop.toml")


def test_a_column_or_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    shop = guess_shop(write(tmp_path / "data", "parquet"), tmp_path).shop
    for change, problem in (({"user": "buyer"}, "no column buyer"), ({"files": "data/gone.csv"}, "no data files")):
        wrong = shop.model_copy(update={"interactions": shop.interactions.model_copy(update=change)})
        with pytest.raises(ActionableError, match=problem):
            opened(wrong, tmp_path)


def test_a_query_reads_files_beside_the_mapping_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    orders().write_csv(tmp_path / "orders.csv")
    table = open_table(connect(base=tmp_path), Rows(query="SELECT sku FROM 'orders.csv'"), tmp_path)
    assert table.aggregate("count(*)").fetchall()[0][0] == orders().height
    with pytest.raises(ActionableError, match=r"The query is not readable .*nowhere"):
        open_table(connect(), Rows(query="SELECT * FROM nowhere"), tmp_path)


def test_an_address_without_its_package_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match=r"gs://bucket/orders needs a missing package .*gcsfs"):
        open_table(connect(), Rows(files="gs://bucket/orders"), tmp_path)


def test_rows_are_read_from_a_bucket(tmp_path: Path, s3: S3) -> None:
    folder = f"s3://{BUCKET}/{tmp_path.name}"
    for part in range(2):
        UPath(f"{folder}/orders/part-{part}.parquet").write_bytes(as_parquet(orders()[part::2]))
    for files in (f"{folder}/orders", f"{folder}/orders/part-*.parquet", f"{folder}/orders/part-0.parquet"):
        table = open_table(connect(), Rows(files=files), tmp_path)
        count = int(table.aggregate("count(*)").fetchall()[0][0])
        assert count == orders().height // (2 if files.endswith("-0.parquet") else 1)


def as_parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def test_a_mapping_without_a_number_of_days_ends_yesterday(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    first = today - timedelta(days=3)
    file = tmp_path / "shop.toml"
    file.write_text(f'name = "open"\n[days]\nfirst = {first}\ntrain = 2\nvalid = 1\n[interactions]\nfiles = "x.csv"\n')
    settings = Settings(source="shop", shop=file, home=tmp_path)
    assert (settings.days, settings.start_date, settings.end_date) == (0, first, today)
    assert Days(first=first, train=2, valid=1).last == today - timedelta(days=1)
