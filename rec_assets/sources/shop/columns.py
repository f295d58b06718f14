"""Recognizes columns of a shop's tables by their names and values."""

import os
import re
from dataclasses import dataclass

import duckdb
import polars as pl

from rec_assets.sources.shop import values

READABLE = 0.9  # share of values that a column of times or numbers must have
# Words of column names, most telling first. A name matches if it holds the word, separators aside.
NAMES = {
    "user": "customerid userid visitorid customer user visitor client member buyer reviewer",
    "item": "stockcode sku itemid productid asin article item product ean isbn stock",
    "time": "timestamp datetime eventtime createdat invoicedate orderdate time date day",
    "title": "title productname itemname name description",
    "description": "productdescription description text details",
    "price": "unitprice price saleprice amount",
    "category": "department maincategory categorycode category productgroup producttype class genre",
    "gender": "gender sex",
    "age": "age",
    "birth_year": "birthyear yearofbirth birth",
    "device": "devicetype device platform",
    "event": "eventtype event action behavior",
    "rating": "rating stars score",
    "quantity": "quantity qty units",
    "available": "availability instock isavailable available",
}
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


def _rank(column: str, words: list[str]) -> int | None:
    plain = re.sub(r"[^a-z0-9]", "", column.lower())
    fits = (n for n, word in enumerate(words) if word in plain and (word not in SHORT or len(plain) < 12))
    return next(fits, None)
