"""Mappings that `rec init` guesses from text files without a header line, and readings of odd quotes."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.sources.shop.guess import Draft, guess_shop
from rec_assets.sources.shop.mapping import Rows, load_shop
from rec_assets.sources.shop.tables import connect, open_table
from rec_assets.sources.shop.writing import as_toml
from rec_assets_tests.sources.shop.opened import opened

ROWS, USERS, ITEMS = 400, 40, 30
START = 1_707_806_520
Line = Callable[[int, int, int, random.Random], str]


def iso(second: int, form: str) -> str:
    return datetime.fromtimestamp(second, UTC).strftime(form)


# File, line of a user, an item and a second, and the names that the columns must get.
FORMATS: dict[str, tuple[str, Line, tuple[str, ...]]] = {
    "MovieLens 1M": (
        "ratings.dat",
        lambda user, item, second, draw: f"{user}::{item}::{draw.randint(1, 5)}::{second}",
        ("user_id", "item_id", "rating", "timestamp"),
    ),
    "Amazon 2018": (
        "Luxury_Beauty.csv",
        lambda user, item, second, draw: f"B{item:09d},A{user:013d},{draw.randint(1, 5)}.0,{second}",
        ("item_id", "user_id", "rating", "timestamp"),
    ),
    "MovieLens 100K": (
        "u.data",
        lambda user, item, second, draw: f"{user}\t{item}\t{draw.randint(1, 5)}\t{second}",
        ("user_id", "item_id", "rating", "timestamp"),
    ),
    "Taobao": (
        "UserBehavior.csv",
        lambda user, item, second, draw: f"{user},{item},{item % 5},{draw.choice(['pv', 'buy'])},{second}",
        ("user_id", "item_id", "category", "event_type", "timestamp"),
    ),
    "Yoochoose": (
        "yoochoose-clicks.dat",
        lambda user, item, second, draw: f"{user},{iso(second, '%Y-%m-%dT%H:%M:%S.123Z')},{item},{draw.choice('0S')}",
        ("user_id", "timestamp", "item_id", "column4"),
    ),
    "Gowalla": (
        "checkins.txt",
        lambda user, item, second, draw: (
            f"{user}\t{iso(second, '%Y-%m-%dT%H:%M:%SZ')}\t{30 + item / 7:.9f}\t{-97 - item / 9:.9f}\t{item}"
        ),
        ("user_id", "timestamp", "column3", "column4", "item_id"),
    ),
    "Foursquare": (
        "dataset_TSMC2014_NYC.txt",
        lambda user, item, second, draw: (
            f"{user}\t4b{item:03d}\t4bf{item % 5}\tCafé no {item % 5}\t{40 + item / 9:.9f}\t{item / 9:.9f}\t-240\t"
            f"{iso(second, '%a %b %d %H:%M:%S +0000 %Y')}"
        ),
        ("user_id", "item_id", "column3", "category", "column5", "column6", "column7", "timestamp"),
    ),
    "Last.fm": (
        "userid-timestamp-artid-artname.tsv",
        lambda user, item, second, draw: (
            f'user_{user:06d}\t{iso(second, "%Y-%m-%dT%H:%M:%SZ")}\ta-{item}\tThe "Band" of {item}'
        ),
        ("user_id", "timestamp", "item_id", "title"),
    ),
}


def drafted(folder: Path, file: str, line: Line) -> Draft:
    draw = random.Random(3)
    rows = [(1 + n % USERS, 1 + draw.randrange(ITEMS), START + 3_600 * n) for n in range(ROWS)]
    (folder / file).write_text("\n".join(line(*row, draw) for row in rows) + "\n")
    return guess_shop(folder, folder)


@pytest.mark.parametrize("name", FORMATS)
def test_columns_without_names_are_named_by_their_values(tmp_path: Path, name: str) -> None:
    file, line, names = FORMATS[name]
    draft = drafted(tmp_path, file, line)
    assert draft.shop.interactions.columns == names
    assert any("no header line" in note for note in draft.notes)
    mapping = tmp_path / "shop.toml"
    mapping.write_text(as_toml(draft.shop))
    rows = opened(load_shop(mapping), tmp_path).rows().sort("timestamp").collect()
    assert (rows["timestamp"][0], rows["timestamp"][-1]) == (START, START + 3_600 * (ROWS - 1))
    assert (rows.height, rows["user"].n_unique(), rows["item"].n_unique()) == (ROWS, USERS, ITEMS)


def test_tables_of_items_and_users_without_names_are_linked(tmp_path: Path) -> None:
    genres = ["Drama|Comedy", "Action|War", "Drama|War"]
    films = [f"{n}::Amélie {n} (2001)::{genres[n % 3]}" for n in range(1, ITEMS + 1)]
    (tmp_path / "movies.dat").write_bytes(("\n".join(films) + "\n").encode("latin-1"))
    people = [f"{n}::{'FM'[n % 2]}::{18 + n}::{n % 9}::{55_000 + n}" for n in range(1, USERS + 1)]
    (tmp_path / "users.dat").write_text("\n".join(people) + "\n")
    file, line, _ = FORMATS["MovieLens 1M"]
    draft = drafted(tmp_path, file, line)
    source = opened(draft.shop, tmp_path)
    catalog, users = source.catalog(), source.users()
    assert catalog.height == ITEMS
    assert catalog.filter(item="7")["title"].item() == "Amélie 7 (2001)"
    assert sorted(catalog["category_l1"].unique()) == ["Action", "Drama"]
    assert sorted(users["age"]) == list(range(19, 19 + USERS))
    assert sorted(users["gender"].unique()) == [0, 1]


def test_a_file_without_times_says_what_is_missing(tmp_path: Path) -> None:
    line: Line = lambda user, item, second, draw: f"{user},The Game {item},{draw.choice(['purchase', 'play'])},1.5"  # noqa: E731
    with pytest.raises(ActionableError, match="which has no time") as raised:
        drafted(tmp_path, "steam-200k.csv", line)
    assert "Add a column with the date of each row" in str(raised.value)


def test_several_ids_in_a_cell_are_named_with_the_next_step(tmp_path: Path) -> None:
    line: Line = lambda user, item, second, draw: (  # noqa: E731
        f"{second}\tU{user}\t{iso(second, '%m/%d/%Y %I:%M:%S %p')}\tN{item} N{item + 1}\tN{item}-1 N{item + 2}-0"
    )
    with pytest.raises(ActionableError, match=r"Several ids are in a cell of column4, column5\.") as raised:
        drafted(tmp_path, "behaviors.tsv", line)
    assert "unnest(string_split(column5, ' '))" in str(raised.value)


def test_names_as_ids_are_titles(tmp_path: Path) -> None:
    line: Line = lambda user, item, second, draw: f"user_{user}\t{second}\tThe Band no {item}"  # noqa: E731
    shop = drafted(tmp_path, "plays.tsv", line).shop
    assert (shop.interactions.columns, shop.items.title) == (("user_id", "timestamp", "item_id"), "item_id")


def test_a_file_that_is_no_table_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    file, line, names = FORMATS["Gowalla"]
    draft = drafted(tmp_path, file, line)
    assert draft.shop.interactions.columns == names
    assert any("left out: broken.parquet" in note for note in draft.notes)
    (tmp_path / file).unlink()
    with pytest.raises(ActionableError, match=r"broken\.parquet"):
        guess_shop(tmp_path, tmp_path)


def test_years_above_columns_do_not_make_a_header_line_data(tmp_path: Path) -> None:
    rows = [f"{n % USERS},{n % ITEMS},{START + n},{n},{n + 1}" for n in range(ROWS)]
    (tmp_path / "orders.csv").write_text("\n".join(["customer_id,sku,bought_at,2019,2020", *rows]) + "\n")
    mapping = guess_shop(tmp_path, tmp_path).shop.interactions
    assert (mapping.columns, mapping.user, mapping.item) == ((), "customer_id", "sku")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("'+49 1", "'+49 1"),  # an apostrophe, as in Shopify's telephone numbers
        ('The "Band", live', '"The ""Band"", live"'),
        ('The "Band", live', '"The \\"Band\\", live"'),  # as MySQL writes it
        ("Shirt, blue", "'Shirt, blue'"),
        ("Shirt, blue", '"Shirt, blue"'),
    ],
)
def test_quotes_in_values_lose_no_row(tmp_path: Path, value: str, written: str) -> None:
    lines = [f"{n},{written},{n}" for n in range(3_000)]
    (tmp_path / "orders.csv").write_text("\n".join(["order_id,name,sku", *lines]) + "\n")
    table = open_table(connect(base=tmp_path), Rows(files="orders.csv"), tmp_path)
    assert table.count("*").fetchall() == [(3_000,)]
    assert set(table.fetchall()[7]) == {"7", value}


@pytest.mark.parametrize(
    "lines",
    [
        ["#{n},{n},a,b"],  # Shopify's names of orders
        ["{n},{n},a,b", "{n},{n}", "{n},{n},a"],  # values that are empty are left out at the end
        ["{n},{n},a,b,", "{n},{n},a,b"],
        ["{n},{n},a,b", '{n},{n},"a, and\na",b', "{n},{n}"],
    ],
)
def test_odd_lines_lose_no_row(tmp_path: Path, lines: list[str]) -> None:
    text = "\n".join(["order,sku,note,city", *(lines[n % len(lines)].format(n=n) for n in range(3_000))])
    (tmp_path / "orders.csv").write_text(text + "\n")
    table = open_table(connect(base=tmp_path), Rows(files="orders.csv"), tmp_path)
    assert [int(row[1]) for row in table.fetchall()] == list(range(3_000))


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("itemId;price;name", "{n};3;4875,776,56689"),
        ('"ISBN";"Title";"Year"', '"{n}";"The \\"Myth\\"; it &amp; x, y";"2002"'),
        ("item\tname\tyear", "{n}\ta, b; c, d; e\t2002"),
    ],
)
def test_signs_within_values_do_not_separate_them(tmp_path: Path, header: str, line: str) -> None:
    (tmp_path / "items.csv").write_text("\n".join([header, *(line.format(n=n) for n in range(300))]) + "\n")
    table = open_table(connect(base=tmp_path), Rows(files="items.csv"), tmp_path)
    assert len(table.columns) == 3
    assert {row[0] for row in table.fetchall()} == {str(n) for n in range(300)}


def test_a_time_without_a_year_is_shown(tmp_path: Path) -> None:
    lines = [f"{n % USERS},{n % ITEMS},{1 + n % 12:02d}{1 + n % 28:02d}" for n in range(ROWS)]
    (tmp_path / "user_log.csv").write_text("\n".join(["user_id,item_id,time_stamp", *lines]) + "\n")
    with pytest.raises(ActionableError, match=r"Its column time_stamp has no full dates \(such as \d{4}, "):
        guess_shop(tmp_path, tmp_path)


def test_an_unreadable_table_does_not_hide_why_there_are_no_interactions(tmp_path: Path) -> None:
    (tmp_path / "books.parquet").write_bytes(b"PAR1 and no more")
    lines = [f"{n % USERS},{n % ITEMS},{n % 5}" for n in range(ROWS)]
    (tmp_path / "ratings.csv").write_text("\n".join(["user_id,book_id,rating", *lines]) + "\n")
    with pytest.raises(ActionableError, match=r"ratings\.csv, which has no time"):
        guess_shop(tmp_path, tmp_path)
