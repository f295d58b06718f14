"""Recognizes columns of a table by the names and values of some of its rows."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile

import duckdb

from rec_assets.common.units import DAY_SECONDS
from rec_assets.sources.shop import values
from rec_assets.sources.shop.category_paths import path
from rec_assets.sources.shop.guess import names, words

MOST_TYPES = 50  # values of a column of event types whose name ends as that of a code
READABLE = 0.9  # share of values that a column of times or numbers must have
LINKED = 0.5  # share of a column's values that are ids of the interactions, from which the column holds these ids
ONE_VALUE = 0.5  # share of an item's rows with its most common value, from which a column belongs to the item
MOST_TIMES = 5_000  # values whose format is tried
FEW = 20  # rows, below which nothing follows from values that do not repeat
SEPARATORS = (" > ", ">", "|", " / ", "/", ", ", ".")
DOTTED = r"'[a-z0-9_]+(\.[a-z0-9_]+)+'"  # categories such as electronics.smartphone; other dots end sentences
TIME_FORMATS = (
    *("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p"),
    *("%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%m %d, %Y"),
    *("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d"),
    *("%Y.%m.%d %H:%M:%S", "%Y.%m.%d %H:%M", "%Y.%m.%d", "%Y.%m.%d. %H:%M:%S", "%Y.%m.%d. %H:%M", "%Y.%m.%d."),
    *("%Y-%m-%d %H", "%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z", "%a %b %d %H:%M:%S %z %Y"),
)
# The beginning of a cell with an object or a list of objects, and roles whose columns are never the item.
OBJECTS = r"'^\s*(\[\s*)?\{\s*[''\"]'"
NO_ITEMS = ("user", "time", "gender", "age", "birth_year", "price", "rating", "quantity")
IMAGE = r"'(?i)//\S|\.(jpe?g|png|webp|avif|gif|bmp|tiff?)\b'"  # an address, or a name of a file
SMALL = re.compile("thumb|small|icon")
YEARS = (631_152_000, 4_102_444_800)  # 1990 to 2100


@dataclass(frozen=True)
class Sample:
    """Rows of a table, in the table `sample` of a DuckDB connection.

    Its many small queries run in one thread: with several, DuckDB 2.0 stopped for ever now and then on a busy machine.
    """

    connection: duckdb.DuckDBPyConnection
    columns: tuple[str, ...]
    _formats: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation) -> "Sample":
        """Copies rows of the connection."""
        rows.create("sample")
        return cls(connection, tuple(rows.columns))

    def number(self, expression: str, table: str = "sample") -> float:
        """Returns a number that an expression gives over all rows; 0 for NULL."""
        return float(self.connection.sql(f"SELECT {expression} FROM {table}").fetchall()[0][0] or 0)

    def share(self, condition: str) -> float:
        """Returns the share of rows that meet a condition."""
        return self.number(f"avg(CAST({condition} AS INT))")

    @cached_property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.number("count(*)"))

    def distinct(self, column: str) -> int:
        """Returns the number of values of a column."""
        return int(self.number(f"count(DISTINCT {values.identifier(column)})"))

    def filled(self, column: str) -> float:
        """Returns the share of rows that have a value of a column."""
        return self.share(f"{values.identifier(column)} IS NOT NULL")

    def is_key(self, column: str) -> bool:
        """Returns True if no value of a column repeats, in more than a few rows."""
        return self.rows >= FEW and self.distinct(column) == self.rows

    def is_number(self, column: str) -> bool:
        """Returns True if most values of a column are numbers, with or without the sign of a currency."""
        number = f"{values.amount(column)} IS NOT NULL AND NOT regexp_matches({values.identifier(column)}, '\\p{{L}}')"
        filled = f"sample WHERE {values.identifier(column)} IS NOT NULL"
        return self.number(f"avg(CAST({number} AS INT))", filled) > READABLE

    def counts(self, column: str) -> dict[str, int]:
        """Returns the values of a column as text, with their numbers, most frequent first."""
        name = f"CAST({values.quoted(column)} AS VARCHAR)"
        rows = self.connection.sql(f"SELECT {name}, count(*) FROM sample GROUP BY 1 ORDER BY 2 DESC, 1").fetchall()
        return {str(value): int(count) for value, count in rows if value is not None}

    def determined(self, column: str, by: str) -> float:
        """Returns the mean share of the most common value of a column, over values of `by` with several rows.

        Returns 1 where no value of `by` has several rows.
        """
        of, group = values.words(column), values.identifier(by)
        pairs = f"SELECT {group} AS g, {of} AS v, count(*) AS n FROM sample WHERE {of} IS NOT NULL GROUP BY 1, 2"
        shares = f"SELECT max(n) / sum(n) AS s FROM ({pairs}) GROUP BY g HAVING sum(n) > 1"
        return self.number("coalesce(avg(s), 1)", f"({shares})")

    def separator(self, column: str) -> str:
        """Returns the sign between the levels of categories, "" if they have one level."""
        found = self.connection.sql(f"SELECT DISTINCT {path(column)} FROM sample").fetchall()
        texts = [text for (text,) in found if text is not None]
        sign = next((sign for sign in SEPARATORS if sum(sign in text for text in texts) > len(texts) / 4), "")
        dotted = f"regexp_full_match(CAST({values.quoted(column)} AS VARCHAR), {DOTTED})"
        return "" if sign == "." and self.share(f"coalesce({dotted}, false)") < 1 / 4 else sign

    def values_of(self, column: str) -> set[str]:
        """Returns the ids of a column."""
        rows = self.connection.sql(f"SELECT DISTINCT {values.identifier(column)} FROM sample").fetchall()
        return {value for (value,) in rows if value is not None}

    def column_named(self, name: str) -> str | None:
        """Returns the column of the same name, letters and digits alone compared; None without one.

        "id_product" is the same as "product_id".
        """
        return next((column for column in self.columns if names.key(column) == names.key(name)), None)

    def column_with(self, ids: set[str]) -> str | None:
        """Returns the column whose values are ids of another table, one id a row; None without one."""
        best: tuple[float, str] | None = None
        for column in self.columns:
            own = self.values_of(column)
            both = len(own & ids)
            share = max(both / max(1, len(own)), both / max(1, len(ids)))
            if self.is_unique(column) and share >= LINKED and (best is None or share > best[0]):
                best = share, column
        return None if best is None else best[1]

    def is_unique(self, column: str) -> bool:
        """Returns True if most values of a column have one row; a table of items may name an item several times."""
        return 1 < self.distinct(column) >= LINKED * self.rows

    def has_objects(self, column: str) -> bool:
        """Returns True if most cells of a column are objects or lists of objects, written as JSON or Python do."""
        text = f"CAST({values.quoted(column)} AS VARCHAR)"
        return self.share(f"coalesce(regexp_matches({text}, {OBJECTS}), false)") > 1 / 2

    def candidates(self, role: str) -> list[str]:
        """Returns the columns that fit a role by name and values, best first."""
        found = names.ranked(role, self.columns)
        if role in ("user", "item", "title"):
            found = [one for one in found if not self.has_objects(one[1])]
        if role in ("user", "item"):
            found = [one for one in found if not self.is_key(one[1])] or found
            found = [one for one in found if self.rows < FEW or self.distinct(one[1]) > 1] or found
            found = [one for one in found if self.filled(one[1]) >= LINKED] or found
        if role == "user" and not found:  # a name of customers is better than none
            found = names.ranked(role, self.columns, others="")[:1]
        if role == "time":  # a moment tells more than its day as text
            found.sort(key=lambda one: (one[0], self.time_format(one[1]) != ""))
        if role == "brand":
            found.sort(key=lambda one: (one[0], self.is_number(one[1])))
        if role == "title":
            found.sort(key=lambda one: (one[0], -self.distinct(one[1])))
        if role == "image":
            found.sort(key=lambda one: (bool(SMALL.search(names.plain(one[1]))), one[0]))
        return [name for _, name in found if self._fits(role, name)]

    def roles(self) -> dict[str, str]:
        """Returns the column of each role of `words.WORDS` that the table has.

        Where names do not show them, the time is the first column that reads as times, and that is no number unless its
        name ends as in "bought_at". The item is the only other column with the name of a code.
        """
        found: dict[str, str] = {}
        for role in words.WORDS:
            free = [name for name in self.candidates(role) if name not in found.values()]
            if free:
                found[role] = free[0]
        if "time" not in found:
            other = words.OTHERS["time"].split()
            free = [name for name in self.columns if name not in found.values() and names.rank_of(name, other) is None]
            moments = [name for name in free if names.MOMENT.search(names.plain(name)) or not self.is_number(name)]
            if readable := [name for name in moments if self.time_format(name) is not None]:
                found["time"] = readable[0]
        if "time" in found and (clock := self.clock(found["time"])):
            found["time_of_day"] = clock
        if {"user", "time"} <= found.keys() and "item" not in found and (column := self._other_code(found)):
            found["item"] = column
        return found

    def time_format(self, column: str) -> str | None:
        """Returns the strptime format of a column of times, "" for ISO text and numbers, None for no times.

        Of formats that read as many values, the one with the shortest span wins. Example: 03/04 and 04/04 read as
        month/day span a month, read as day/month a day.
        """
        if column not in self._formats:
            self._formats[column] = self._format_of(column)
        return self._formats[column]

    def _format_of(self, column: str) -> str | None:
        text = values.identifier(column)
        filled = f"(SELECT * FROM sample WHERE {text} IS NOT NULL LIMIT {MOST_TIMES})"
        if self.number(f"avg(CAST(regexp_matches({text}, '[0-9].*[0-9].*[0-9]') AS INT))", filled) < READABLE:
            return None  # fewer digits than a date has
        readings: list[tuple[float, float, int, str]] = []
        for order, time_format in enumerate(("", *TIME_FORMATS)):
            share, span = self.connection.sql(
                f"SELECT avg(CAST(s BETWEEN {YEARS[0]} AND {YEARS[1]} AS INT)), max(s) - min(s) "
                f"FROM (SELECT coalesce({values.seconds(column, time_format)}, 0) AS s FROM {filled})"
            ).fetchall()[0]
            if (share or 0) >= READABLE:
                readings.append((-round(share, 3), float(span), order, time_format))
            if time_format == "" and (share or 0) == 1:
                break
        return min(readings)[3] if readings else None

    def clock(self, date: str) -> str | None:
        """Returns the column of the time of day that belongs to a column of dates; None for one with times.

        Of several, the one is taken whose name begins like that of the date, as "InvoiceTime" beside "InvoiceDate".
        """
        start = values.seconds(date, self.time_format(date) or "")
        if self.share(f"coalesce({start} % {DAY_SECONDS} = 0, true)") < READABLE:
            return None
        other = words.OTHERS["time"].split()
        found = [
            one for one in self.columns if one != date and names.rank_of(one, words.CLOCK.split(), other) is not None
        ]
        fitting = [one for one in found if self.share(f"{values.clock(one)} IS NOT NULL") >= READABLE]
        shared = {one: _same_letters(names.plain(one), names.plain(date)) for one in fitting}
        return max(fitting, key=lambda one: shared[one], default=None)

    def _other_code(self, found: dict[str, str]) -> str | None:
        """Returns the only free column with the name of a code of an unknown kind; without one, a name of items."""
        taken = {found[role] for role in NO_ITEMS if role in found}
        free = [n for n in self.columns if n not in taken and not self.is_key(n) and not self.has_objects(n)]
        free = [n for n in free if self.rows < FEW or not self.is_unique(n)]  # such as the number of a booking
        coded = [name for name in free if names.CODED.search(names.plain(name)) and not names.is_foreign(name)]
        if len(coded) == 1:
            return coded[0]
        named = names.ranked("item", free, others="type categor class group price qty quantity count number url")
        return named[0][1] if not coded and named else None

    def _is_foreign_number(self, column: str) -> bool:
        """Returns True for a number such as that of an order, which may be as large as a time."""
        return bool(names.CODED.search(names.plain(column))) and names.is_foreign(column) and self.is_number(column)

    def _fits(self, role: str, column: str) -> bool:
        if role == "time":
            return not self._is_foreign_number(column) and self.time_format(column) is not None
        if role == "event" and names.CODED.search(names.plain(column)):
            return not self.is_number(column) and self.distinct(column) <= MOST_TYPES
        if role in ("title", "description"):
            return not self.is_number(column) and self.share(f"{values.words(column)} LIKE '%://%'") < LINKED
        if role == "image":
            text = values.identifier(column)
            return self.number(f"avg(CAST(regexp_matches({text}, {IMAGE}) AS INT))") >= READABLE
        readers = {"price": values.price, "age": values.whole, "birth_year": values.year}
        if role in readers:
            return self.share(f"{readers[role](column)} IS NOT NULL") >= READABLE / 2
        return role not in ("rating", "quantity") or self.share(f"{values.amount(column)} IS NOT NULL") >= READABLE


def _same_letters(left: str, right: str) -> int:
    """Returns the number of letters that two names have in common at their start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))
