"""Recognizes columns of a shop's tables by their names and values."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import polars as pl

from rec_assets.sources.shop import values

READABLE = 0.9  # share of values that a column of times or numbers must have
# Words of column names, most telling first. A name matches if it holds the word, separators aside.
NAMES = {
    "available": "availability instock isavailable available",
    "user": "customerid userid visitorid customer user visitor client member buyer reviewer account household kunde",
    "item": "stockcode sku itemid productid asin article item product ean isbn stock artikel produkt produit producto",
    "time": "timestamp datetime eventtime createdat invoicedate orderdate time date day datum fecha zeit",
    "title": "title productname itemname name description label bezeichnung",
    "description": "productdescription description text details",
    "price": "unitprice price saleprice amount preis prix precio",
    "category": "department maincategory categorycode category categories productgroup producttype class genre",
    "gender": "gender sex",
    "age": "age",
    "birth_year": "birthyear yearofbirth birth",
    "device": "devicetype device platform",
    "event": "eventtype event action behavior",
    "rating": "rating stars score",
    "quantity": "quantity qty units menge anzahl",
}
# Words of event types by the list of the mapping that they join; the first group with a word of a type wins. Types of
# no group, such as impressions, are dropped.
EVENT_WORDS = {
    "": "remove refund return cancel delete impression",
    "seen_events": "hide hidden dismiss dislike unlike block skip ignore notinterested seen",
    "history_events": "preview hover compare share",
    "events": "purchase buy bought order transaction checkout sale cart basket view click detail fav wish like",
}
LINKED = 0.5  # share of a column's values that are ids of the interactions, from which the column holds these ids
MOMENT = re.compile(r"(at|on|ts|ms|epoch)$")
CODED = re.compile(r"(id|code|key|no|nr|number|num)$")
SEPARATORS = (" > ", ">", "|", " / ")
SHORT = frozenset({"age", "day", "sku", "ean", "sex", "text", "name", "item", "user", "class"})  # in short names alone
TIME_FORMATS = (
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%m %d, %Y",
    "%Y/%m/%d %H:%M:%S",
)
YEARS = (631_152_000, 4_102_444_800)  # 1990 to 2100


@dataclass(frozen=True)
class Sample:
    """Rows of a table, registered in a DuckDB connection as `sample`."""

    connection: duckdb.DuckDBPyConnection
    columns: tuple[str, ...]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame) -> "Sample":
        """Registers rows."""
        connection.register("sample", rows)
        return cls(connection, tuple(rows.columns))

    def share(self, condition: str) -> float:
        """Returns the share of rows that meet a condition."""
        return float(self.connection.sql(f"SELECT avg(CAST({condition} AS INT)) FROM sample").fetchall()[0][0] or 0)

    def counts(self, column: str) -> dict[str, int]:
        """Returns the values of a column as text, with their numbers, most frequent first."""
        name = f"CAST({values.quoted(column)} AS VARCHAR)"
        rows = self.connection.sql(f"SELECT {name}, count(*) FROM sample GROUP BY 1 ORDER BY 2 DESC, 1").fetchall()
        return {str(value): int(count) for value, count in rows if value is not None}

    def separator(self, column: str) -> str:
        """Returns the sign between the levels of categories, "" if they have one level."""
        texts = list(self.counts(column))
        return next((sign for sign in SEPARATORS if sum(sign in text for text in texts) > len(texts) / 4), "")

    def values_of(self, column: str) -> set[str]:
        """Returns the ids of a column."""
        rows = self.connection.sql(f"SELECT DISTINCT {values.identifier(column)} FROM sample").fetchall()
        return {value for (value,) in rows if value is not None}

    def column_named(self, name: str) -> str | None:
        """Returns the column of the same name, letters and digits alone compared; None without one."""
        return next((column for column in self.columns if _plain(column) == _plain(name)), None)

    def column_with(self, ids: set[str]) -> str | None:
        """Returns the column whose values are ids of another table, one id a row; None without one."""
        rows = self.connection.sql("SELECT count(*) FROM sample").fetchall()[0][0]
        best: tuple[float, str] | None = None
        for column in self.columns:
            own = self.values_of(column)
            share = len(own & ids) / max(1, len(own))
            if len(own) > 1 and len(own) >= LINKED * rows and share >= LINKED and (best is None or share > best[0]):
                best = share, column
        return None if best is None else best[1]

    def completed(self, roles: dict[str, str]) -> dict[str, str]:
        """Adds the time and the item of interactions where names did not show them.

        The time is the first column that reads as times, and that is no number unless its name ends as in "bought_at".
        The item is the only other column with the name of an id.
        """
        found = dict(roles)
        free = [column for column in self.columns if column not in found.values()]
        if "time" not in found:
            for column in free:
                is_number = self.share(f"try_cast(CAST({values.quoted(column)} AS VARCHAR) AS DOUBLE) IS NOT NULL") > 0
                if (not is_number or MOMENT.search(_plain(column))) and self.time_format(column) is not None:
                    found["time"] = column
                    break
        coded = [column for column in free if CODED.search(_plain(column)) and column != found.get("time")]
        if {"user", "time"} <= found.keys() and "item" not in found and len(coded) == 1:
            found["item"] = coded[0]
        return found

    def roles(self) -> dict[str, str]:
        """Returns the column of each role of `NAMES` that the table has."""
        found: dict[str, str] = {}
        for role, words in NAMES.items():
            free = [name for name in self.columns if name not in found.values()]
            ranked = sorted((rank, name) for name in free if (rank := _rank(name, words.split())) is not None)
            column = next((name for _, name in ranked if self._fits(role, name)), None)
            if column is not None:
                found[role] = column
        return found

    def time_format(self, column: str) -> str | None:
        """Returns the strptime format of a column of times, "" for ISO text and numbers, None for no times.

        Of formats that read as many values, the one with the shortest span wins. Example: 03/04 and 04/04 read as
        month/day span a month, read as day/month a day.
        """
        readings: list[tuple[float, float, int, str]] = []
        for order, time_format in enumerate(("", *TIME_FORMATS)):
            seconds = values.seconds(column, time_format)
            share, span = self.connection.sql(
                f"SELECT avg(CAST(s BETWEEN {YEARS[0]} AND {YEARS[1]} AS INT)), max(s) - min(s) "
                f"FROM (SELECT {seconds} AS s FROM sample)"
            ).fetchall()[0]
            if (share or 0) >= READABLE:
                readings.append((-round(share, 3), float(span), order, time_format))
        return min(readings)[3] if readings else None

    def _fits(self, role: str, column: str) -> bool:
        if role == "time":
            return self.time_format(column) is not None
        readers = {"price": values.price, "age": values.whole, "birth_year": values.whole}
        if role in readers:
            return self.share(f"{readers[role](column)} IS NOT NULL") >= READABLE / 2
        return role not in ("rating", "quantity") or self.share(f"{values.amount(column)} IS NOT NULL") >= READABLE


def common_glob(files: list[str], others: list[str]) -> str | None:
    """Returns a glob that matches exactly these files of a folder, None where none with one star does."""
    ordered = sorted(files)
    start = _common_start(ordered)
    end = _common_start([name[::-1] for name in ordered])[::-1]
    matching = [name for name in others if name.startswith(start) and name.endswith(end) and os.sep not in name]
    return f"{start}*{end}" if sorted(matching) == ordered else None


def _common_start(names: list[str]) -> str:
    first, last = min(names), max(names)
    return first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _plain(column: str) -> str:
    return re.sub(r"[^a-z0-9]", "", column.lower())


def _rank(column: str, words: list[str]) -> int | None:
    plain = _plain(column)
    fits = (n for n, word in enumerate(words) if word in plain and (word not in SHORT or len(plain) < 12))
    return next(fits, None)


def event_roles(types: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Returns the event types of each list of the mapping by their words; empty if no type has a word that teaches."""
    found: dict[str, list[str]] = {}
    for name in sorted(types):
        plain = _plain(name)
        group = next((key for key, words in EVENT_WORDS.items() if any(word in plain for word in words.split())), "")
        found.setdefault(group, []).append(name)
    return (
        {group: tuple(found[group]) for group in EVENT_WORDS if group and group in found} if "events" in found else {}
    )
