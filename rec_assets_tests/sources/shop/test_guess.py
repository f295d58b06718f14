"""Mappings that `rec init` guesses from unusual exports, and windows of histories of any length."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.common.errors import ActionableError
from rec_assets.sources.contract import check_items
from rec_assets.sources.shop.check import count_events
from rec_assets.sources.shop.guess import days_of, guess_shop
from rec_assets.sources.shop.guess.draft import span_of
from rec_assets.sources.shop.guess.names import ranked
from rec_assets_tests.sources.shop.layouts import layouts, write_layout
from rec_assets_tests.sources.shop.opened import opened


def test_a_folder_without_users_items_and_times_says_what_it_holds(tmp_path: Path) -> None:
    pl.DataFrame({"weather": ["sun"]}).write_csv(tmp_path / "weather.csv")
    with pytest.raises(ActionableError, match=r"weather\.csv, which has no user and no item and no time"):
        guess_shop(tmp_path, tmp_path)


ODD: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "decimal commas, a BOM, blanks and German headers": (
        "Bestellungen.csv",
        "\ufeffKunden Nr;Artikel Nr;Bestell Datum;Menge;Einzel Preis\n"
        "0007;00042;13.02.2024 06:42;1;1.014,70\n0008;00043;14.02.2024 06:42;2;3,50\n".encode(),
        {"user": "Kunden Nr", "item": "Artikel Nr", "time": "Bestell Datum", "price": "Einzel Preis"},
    ),
    "nested JSON lines": (
        "events.jsonl",
        b'{"user": {"id": "0007"}, "product": {"sku": "00042", "price": {"amount": 1014.7}, "categories": ["a", "b"]}, '
        b'"ts": "2024-02-13T06:42:00Z"}\n'
        b'{"user": {"id": "0008"}, "product": {"sku": "00043", "price": {"amount": 3.5}, "categories": ["a", "c"]}, '
        b'"ts": "2024-02-14T06:42:00Z"}\n',
        {"user": "user.id", "item": "product.sku", "time": "ts", "price": "product.price.amount"},
    ),
    "Latin-1, bars and milliseconds": (
        "purchases.txt",
        "user_id|item_id|purchased_at|item_name|price\n0007|00042|1707806520000|Caf\xe9|1014.70\n"
        "0008|00043|1707892920000|Th\xe9|3.5\n".encode("latin-1"),
        {"user": "user_id", "item": "item_id", "time": "purchased_at", "price": "price"},
    ),
    "a total and blank lines at the end": (
        "Sales Report.csv",
        b"Order ID, Customer ,Item No.,Date,Unit Price\n1,0007,00042,02/13/2024 06:42,$1014.70\n"
        b'2,0008,00043,02/14/2024 06:42,$3.50\nTOTAL,,,,"$1,018.20"\n\n\n',
        {"user": "Customer", "item": "Item No.", "time": "Date", "price": "Unit Price"},
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_unusual_export_needs_no_correction(tmp_path: Path, name: str) -> None:
    file, content, columns = ODD[name]
    (tmp_path / file).write_bytes(content)
    shop = guess_shop(tmp_path / file, tmp_path).shop
    rows = shop.interactions
    assert columns == {"user": rows.user, "item": rows.item, "time": rows.time, "price": shop.items.price}
    found = opened(shop, tmp_path).rows().sort("timestamp").select("user", "item", "timestamp").collect()
    assert found.rows() == [("0007", "00042", 1_707_806_520), ("0008", "00043", 1_707_892_920)]
    prices = opened(shop, tmp_path).items()["price"]
    assert prices.to_list() == pytest.approx([1014.7, 3.5])


LAYOUTS = layouts()


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_tables_of_well_known_exports_need_no_correction(tmp_path: Path, name: str) -> None:
    write_layout(LAYOUTS[name], tmp_path / "data")
    shop = guess_shop(tmp_path / "data", tmp_path).shop
    rows, items = shop.interactions, shop.items
    found = rows.user, rows.item, rows.time, items.title, items.price or rows.price, [*items.categories]
    assert found == LAYOUTS[name].expected
    source = opened(shop, tmp_path)
    assert source.rows().collect().height >= 100
    checked = check_items(source.items(), "items").frame
    assert checked.height <= 30
    has_price = bool(items.price or rows.price)
    assert checked["price"].is_not_null().all() == has_price
    assert source.users().height <= 40


def test_tables_are_linked_by_their_values_and_ratings_are_filtered(tmp_path: Path) -> None:
    ratings = [(user, film, 1.0 + film % 5, 1_707_806_520 + 86_400 * user) for user in range(9) for film in range(20)]
    columns = ["userId", "movieId", "rating", "timestamp"]
    pl.DataFrame(ratings, columns, orient="row").write_csv(tmp_path / "ratings.csv")
    films = {"key": range(20), "in_stock": [film != 3 for film in range(20)], "label": [f"Film {n}" for n in range(20)]}
    pl.DataFrame(films | {"genres": ["Drama|Comedy", "Action"] * 10}).write_parquet(tmp_path / "films.parquet")
    shop = guess_shop(tmp_path, tmp_path).shop
    assert (shop.interactions.item, shop.interactions.rating_at_least) == ("movieId", 4.0)
    items = shop.items
    assert (items.item, items.title, items.available, items.category_separator) == ("key", "label", "in_stock", "|")
    source = opened(shop, tmp_path)
    assert check_items(source.items(), "items").frame.filter(~pl.col("available"))["item_id"].to_list() == [3]
    liked = [film for _, film, rating, _ in ratings if rating >= 4]
    counted = {name: (rows, outcome.split(":")[0]) for name, rows, outcome in count_events(source)}
    low = len(ratings) - len(liked)
    assert counted == {"rating 4 or higher": (len(liked), "teaches"), "rating below 4": (low, "filters")}


def test_lines_below_the_first_of_an_order_belong_to_it(tmp_path: Path) -> None:
    orders = [
        [f"S{n}", f"2024-02-{1 + n % 28:02d} 08:00:00", f"Customer {n % 9}", "Done" if n % 5 else ""] for n in range(40)
    ]
    lines = [
        [*(order if place == 0 else [""] * 4), f"D{(n + place) % 12}"]
        for n, order in enumerate(orders)
        for place in range(3)
    ]
    columns = ["Order Reference", "Order Date", "Customer", "Note", "Order Lines/Product"]
    pl.DataFrame(lines, columns, orient="row").write_csv(tmp_path / "orders.csv")
    draft = guess_shop(tmp_path, tmp_path)
    rows = opened(draft.shop, tmp_path).rows().sort("timestamp").collect()
    expected = {(order[2], f"D{(n + place) % 12}") for n, order in enumerate(orders) for place in range(3)}
    assert rows.height == len(lines)
    assert set(rows.select("user", "item").rows()) == expected
    assert any("belong to the order above" in note for note in draft.notes)


def test_fields_of_objects_in_a_cell_are_columns(tmp_path: Path) -> None:
    cells = [json.dumps({"product_id": f"P{n % 9}", "product_name": f"Thing {n % 9}", "os": "x"}) for n in range(60)]
    cells[7:9] = '{"product_id": "P1', ""  # cut off, and empty
    rows = {"uuid": [f"e{n}" for n in range(60)], "event": ["product_viewed"] * 60, "properties": cells}
    rows |= {"timestamp": ["2024-02-13 08:00:00.123+00:00"] * 60, "distinct_id": [f"d{n % 7}" for n in range(60)]}
    pl.DataFrame(rows).write_csv(tmp_path / "events.csv")
    source = opened(guess_shop(tmp_path, tmp_path).shop, tmp_path)
    assert source.rows().collect().height == 58
    assert set(source.catalog()["title"]) == {f"Thing {n}" for n in range(9)}


def test_cells_with_lists_of_objects_are_no_items_and_the_refusal_names_them(tmp_path: Path) -> None:
    rows = {
        "created_at": ["2024-02-13 08:00:00"] * 60,
        "customer_id": [n % 7 for n in range(60)],
        "booking_id": [f"b{n}" for n in range(60)],
        "product_metadata": [f"[{{'product_id': {n % 9}, 'quantity': 1}}]" for n in range(60)],
        "promo_code": ["WINTER", "SUMMER"] * 30,
    }
    pl.DataFrame(rows).write_csv(tmp_path / "orders.csv")
    with pytest.raises(ActionableError, match="The cells of product_metadata have objects") as refused:
        guess_shop(tmp_path, tmp_path)
    assert "a row for each of these objects" in refused.value.next_step


def test_the_gender_of_users_is_no_item(tmp_path: Path) -> None:
    rows = {"REG_DATE": ["2024-02-13"] * 60, "SEX_ID": ["f", "m"] * 30, "USER_ID_hash": [f"u{n}" for n in range(60)]}
    pl.DataFrame(rows).write_csv(tmp_path / "user_list.csv")
    with pytest.raises(ActionableError, match=r"user_list\.csv, which has no item"):
        guess_shop(tmp_path, tmp_path)


@pytest.mark.parametrize(("guest", "dropped"), [("0", True), ("Guest", True), ("33", False)])
def test_the_rows_of_guests_who_share_an_id_are_dropped(tmp_path: Path, guest: str, dropped: bool) -> None:
    users = [guest if n % 5 == 0 else str(100 + n % 20) for n in range(200)]
    rows = {"customer_id": users, "product_id": [n % 9 for n in range(200)], "time": ["2024-02-13"] * 200}
    pl.DataFrame(rows).write_csv(tmp_path / "orders.csv")
    draft = guess_shop(tmp_path, tmp_path)
    assert any(f"customer_id {guest} are dropped" in note for note in draft.notes) == dropped
    assert (guest in opened(draft.shop, tmp_path).rows().collect()["user"].unique()) != dropped


def test_titles_in_several_languages_are_read_in_one(tmp_path: Path) -> None:
    rows = {
        "user_id": [n % 7 for n in range(60)],
        "id_product": [n % 30 for n in range(60)],
        "time": ["2024-02-13"] * 60,
    }
    pl.DataFrame(rows).write_csv(tmp_path / "orders.csv")
    texts = [(n, language, f"{word} {n}") for n in range(30) for language, word in (("de", "Ding"), ("en", "Thing"))]
    columns = ["id_product", "lang", "name"]
    pl.DataFrame(texts[:-1], columns, orient="row").write_csv(tmp_path / "product_lang.csv")  # one has no English text
    titles = opened(guess_shop(tmp_path, tmp_path).shop, tmp_path).catalog()["title"]
    assert set(titles) == {f"Ding {n}" for n in range(30)}


@pytest.mark.parametrize("answers", [("true", "false"), ("True", "False"), ("1", "0")])
def test_rows_of_items_that_were_not_liked_are_dropped(tmp_path: Path, answers: tuple[str, str]) -> None:
    rows = [[n % 7, n % 9, f"2024-02-{1 + n % 28:02d}", answers[n % 4 == 0]] for n in range(80)]
    pl.DataFrame(rows, ["user_id", "app_id", "date", "is_recommended"], orient="row").write_csv(
        tmp_path / "reviews.csv"
    )
    found = opened(guess_shop(tmp_path, tmp_path).shop, tmp_path).rows().collect()
    assert found.height == 60


def test_items_that_were_shown_and_not_clicked_are_dropped(tmp_path: Path) -> None:
    numbers = list(range(60))
    rows = {"user_id": [n % 7 for n in numbers], "video_id": [n % 30 for n in numbers], "time": ["2024-02-13"] * 60}
    pl.DataFrame(rows | {"is_click": [n % 3 == 0 for n in numbers]}).cast({"is_click": int}).write_csv(
        tmp_path / "log.csv"
    )
    draft = guess_shop(tmp_path, tmp_path)
    assert opened(draft.shop, tmp_path).rows().collect().height == 20
    assert any("rows without is_click = 1 are dropped" in note for note in draft.notes)


@pytest.mark.parametrize(
    ("date_column", "date_format", "clock", "clock_format"),
    [
        ("date", "%Y-%m-%d", "time", "%H:%M:%S"),
        ("InvoiceDate", "%d/%m/%Y", "InvoiceTime", "%I:%M %p"),
        ("event_date", "%Y%m%d", "event_time", "%H%M"),
        ("Datum", "%d.%m.%Y", "Uhrzeit", "%H:%M"),
    ],
)
def test_a_date_and_a_time_of_day_are_one_time(
    tmp_path: Path, date_column: str, date_format: str, clock: str, clock_format: str
) -> None:
    numbers = list(range(60))
    moments = [datetime(2024, 2, 13, 8, 5) + timedelta(hours=25 * n) for n in numbers]
    columns = {
        "user_id": [n % 7 for n in numbers],
        "sku": [f"S{n % 30}" for n in numbers],
        date_column: [one.strftime(date_format) for one in moments],
        "Delivery Time": ["12:00"] * 60,
        clock: [one.strftime(clock_format) for one in moments],
    }
    pl.DataFrame(columns).write_csv(tmp_path / "orders.csv")
    draft = guess_shop(tmp_path, tmp_path)
    assert f"  time of day: {clock}" in draft.notes
    shop = draft.shop.model_copy(update={"timezone": "Europe/London"})  # winter and summer
    seconds = opened(shop, tmp_path).rows().collect()["timestamp"].sort().to_list()
    zone = ZoneInfo("Europe/London")
    assert seconds == [int(one.replace(tzinfo=zone).timestamp()) for one in moments]


def test_one_name_for_all_items_is_no_title(tmp_path: Path) -> None:
    rows = {"user_id": range(60), "sku": [n % 30 for n in range(60)], "time": ["2024-02-13"] * 60}
    pl.DataFrame(rows | {"label": ["web"] * 60, "brand": ["(not set)"] * 60}).write_csv(tmp_path / "log.csv")
    draft = guess_shop(tmp_path, tmp_path)
    assert draft.shop.items.title == ""
    assert opened(draft.shop, tmp_path).catalog()["brand"].to_list() == [None] * 30


@pytest.mark.parametrize(("first", "joined"), [(0, True), (100, False)])
def test_names_of_categories_are_joined_where_the_keys_are_the_same(tmp_path: Path, first: int, joined: bool) -> None:
    numbers = list(range(60))
    rows = {"user_id": [n % 7 for n in numbers], "sku": [n % 30 for n in numbers], "time": ["2024-02-13"] * 60}
    pl.DataFrame(rows).write_csv(tmp_path / "orders.csv")
    pl.DataFrame({"sku": range(30), "category_id": [n % 4 for n in range(30)]}).write_csv(tmp_path / "items.csv")
    names = {"category_id": range(first, first + 4), "name": ["Pans", "Cups", "Mugs", "Pots"]}
    pl.DataFrame(names).write_csv(tmp_path / "kinds.csv")
    shop = guess_shop(tmp_path, tmp_path).shop
    assert shop.items.categories == (("name of category_id",) if joined else ("category_id",))
    found = opened(shop, tmp_path).items().sort("item_id")
    assert (found.height, found["category_l1"].n_unique()) == (30, 4)


@pytest.mark.parametrize("per_day", [1, 300, 1_000])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 14, 30, 90, 400, 2000])
def test_the_windows_of_a_history_fit_into_it_and_end_at_its_end(count: int, per_day: int) -> None:
    last = date(2024, 12, 31)
    end = (last - date(1970, 1, 1)).days
    days = days_of(dict.fromkeys(range(end - count + 1, end + 1), per_day))
    assert days.train >= 1 and days.valid >= 1
    assert days.first + timedelta(days=days.count - 1) == last
    assert days.train + days.valid <= max(days.count, 2)
    most = {1: 840, 300: 420, 1_000: 210}[per_day]
    assert days.count <= most
    if count >= most:
        assert days.count >= 0.9 * most


@given(
    st.dictionaries(st.integers(17_000, 17_400), st.integers(1, 50), min_size=1),
    st.sampled_from([[], [0], [29_000], [0, 29_000]]),
)
def test_a_few_wrong_dates_do_not_move_the_span_of_a_history(counts: dict[int, int], wrong: list[int]) -> None:
    right = {day: 1_000 * count for day, count in sorted(counts.items())}
    span = span_of(dict(sorted((right | dict.fromkeys(wrong, 1)).items())))
    assert min(right) <= span[0] <= span[1] <= max(right)
    near = [day for day in right if min(right) + 60 >= day]
    assert span[0] in near
    if not wrong and max(right) - min(right) <= 60:
        assert span == (min(right), max(right))


@pytest.mark.parametrize(
    ("column", "is_of_ages"),
    [
        ("Age", True),
        ("customerAge", True),
        ("userage", True),
        ("age_years", True),
        ("page_views", False),
        ("usage", False),
    ],
)
def test_age_is_a_word_of_its_own(column: str, is_of_ages: bool) -> None:
    assert [name for _, name in ranked("age", [column])] == [column] * is_of_ages
