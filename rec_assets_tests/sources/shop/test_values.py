"""Values as people have them: numbers, times, ids and words in columns of any type."""

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_assets.sources.shop import values
from rec_assets.sources.shop.tables import connect

MOMENT = 1_309_505_160  # 2011-07-01 08:26 in London, which was an hour ahead of UTC


def read(expression: str, value: object, timezone: str = "Europe/London") -> Any:
    connection = connect(timezone)
    (row,) = connection.execute(f"SELECT {expression} FROM (SELECT $value AS x)", {"value": value}).fetchall()
    return row[0]


@pytest.mark.parametrize(
    "value",
    [
        "2011-07-01T08:26:00",
        "2011-07-01 08:26",
        "2011-07-01 07:26:00+00",
        "2011-07-01T09:26:00+02:00",
        MOMENT,
        str(MOMENT),
        MOMENT * 1_000,
        MOMENT * 1_000_000,
        MOMENT * 1_000_000_000,
    ],
)
def test_every_way_to_write_a_time_is_the_same_second(value: object) -> None:
    assert read(values.seconds("x"), value) == MOMENT


@pytest.mark.parametrize(
    ("text", "time_format", "moment"),
    [
        ("01/07/2011 08:26", "%d/%m/%Y %H:%M", MOMENT),
        ("07/01/11", "%m/%d/%y", MOMENT - (8 * 60 + 26) * 60),
        ("01/07/2011", "%d/%m/%Y %H:%M", None),
    ],
)
def test_a_format_is_taken_at_its_word(text: str, time_format: str, moment: int | None) -> None:
    assert read(values.seconds("x", time_format), text) == moment


@pytest.mark.parametrize(
    ("value", "second"),
    [
        *[("13:05", 47_100), ("1:05:09 PM", 47_109), ("01:05pm", 47_100), ("13:05:09.123", 47_109), ("1305", 47_100)],
        *[(130_509, 47_109), (5, 18_000), ("0005", 300), (None, None), ("25:00", None), ("noon", None), ("", None)],
    ],
)
def test_clock_times_are_read_as_people_write_them(value: object, second: int | None) -> None:
    assert read(values.clock("x"), value) == second


def test_eight_digits_are_a_date_and_nonsense_is_no_time() -> None:
    assert read(values.seconds("x"), "20110701", "UTC") == MOMENT // 86_400 * 86_400
    assert read(values.seconds("x"), "yesterday") is None


@pytest.mark.parametrize(
    ("text", "price"),
    [("19.99", 19.99), ("19,99", 19.99), ("€ 1.234,56", 1234.56), ("$1,234.56", 1234.56), ("1,234", 1234), ("7", 7)],
)
def test_prices_are_read_with_their_currency_and_either_decimal_sign(text: str, price: float) -> None:
    assert read(values.price("x"), text) == pytest.approx(price)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("-1,000", -1000), ("(12.50)", -12.5), ("($1,234.50)", -1234.5), ("12,50-", -12.5), ("\u22125", -5)],
        *[("1.234.567", 1234567), ("Rs. 1,299", 1299), ("$.50", 0.5), ("5,-", 5), ("1'234.50", 1234.5)],
        *[("2023-05-01", None), ("https://cdn.example/12.jpg", None), ("-", None), ("", None)],
    ],
)
def test_numbers_are_read_as_accounts_write_them(text: str, number: float | None) -> None:
    assert read(values.amount("x"), text) == number


@pytest.mark.parametrize("text", ["", "free", "0", "-3", None, "inf", "nan"])
def test_what_is_no_price_is_unknown(text: str | None) -> None:
    assert read(values.price("x"), text) is None


@pytest.mark.parametrize(
    ("value", "identifier"),
    [(" 0042 ", "0042"), ("17850.0", "17850"), (-7, "-7"), (2**63 - 1, str(2**63 - 1)), ("a b", "a b"), ("  ", None)],
)
def test_ids_are_texts_with_their_leading_zeros(value: object, identifier: str | None) -> None:
    assert read(values.identifier("x"), value) == identifier


@pytest.mark.parametrize(("word", "code"), [("F", 0), ("male", 1), ("Unisex", 2), ("?", -1), (None, -1), (1, 1)])
def test_genders_are_words_or_codes(word: object, code: int) -> None:
    assert read(values.gender("x"), word) == code


@settings(deadline=None)
@given(st.text(max_size=20))
def test_no_text_makes_a_reader_fail(text: str) -> None:
    connection = duckdb.connect()
    readers = [
        values.identifier,
        values.words,
        values.seconds,
        values.price,
        values.device,
        values.gender,
        values.whole,
    ]
    connection.execute(
        f"SELECT {', '.join(reader('x') for reader in readers)} FROM (SELECT $text AS x)", {"text": text}
    )
