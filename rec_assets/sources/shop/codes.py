"""Codes of a shop's ids: int32 numbers for users, items, categories and brands. A value keeps its code for ever."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from rec_assets.sources.forgotten import Forgotten

FILE = "codes.parquet"
USER, ITEM, CATEGORY_1, CATEGORY_2, BRAND = "user", "item", "category_l1", "category_l2", "brand"
KINDS = (USER, ITEM, CATEGORY_1, CATEGORY_2, BRAND)
SCHEMA = {"kind": pl.String, "value": pl.String, "code": pl.Int32}
UNKNOWN = -1
OWN_NUMBERS = 1_000_000_000  # leaves room for texts after the largest number


@dataclass(frozen=True)
class Codes:
    """The codes of all kinds.

    Attributes:
        table: kind, value (null if retired) and code, in the order in which values appeared; codes of a kind differ.
        forgotten: people who were deleted.
    """

    table: pl.DataFrame
    forgotten: Forgotten = field(default_factory=Forgotten)

    @classmethod
    def empty(cls) -> "Codes":
        """Returns codes without values: ids of a source that has numbers stay as they are."""
        return cls(pl.DataFrame(schema=SCHEMA))

    @property
    def is_empty(self) -> bool:
        """True where the source's ids are numbers already."""
        return self.table.is_empty()

    def extended(self, values: Mapping[str, pl.Series]) -> "Codes":
        """Returns codes that also hold new values, by kind.

        As long as all values of a kind are numbers below `OWN_NUMBERS`, each is its own code. Other new values get the
        numbers after the largest code, in their sorted order.
        """
        parts = [self.table]
        for kind in KINDS:
            known = self.table.filter(kind=kind)
            given = values.get(kind, pl.Series(dtype=pl.String)).drop_nulls().unique().sort()
            fresh = given.filter(~given.is_in(known["value"].implode()))
            alive, codes = known.filter(pl.col("value").is_not_null()), _own_numbers(fresh)
            are_own = _own_numbers(alive["value"]).equals(alive["code"]) and not codes.null_count()
            if not are_own or codes.is_in(known["code"].implode()).any():  # a retired code is not used again
                start = 0 if known.is_empty() else known.select(pl.col("code").max()).item() + 1
                codes = pl.int_range(start, start + fresh.len(), dtype=pl.Int32, eager=True)
            parts.append(pl.DataFrame({"kind": [kind] * fresh.len(), "value": fresh, "code": codes}, schema=SCHEMA))
        return replace(self, table=pl.concat(parts))

    def retired(self, kind: str, values: pl.Series) -> "Codes":
        """Returns codes that have forgotten some texts, as after the deletion of a person. Their codes stay taken.

        A text that appears again gets another code, so it is not connected with its earlier rows.
        """
        gone = (pl.col("kind") == kind) & pl.col("value").is_in(values.implode())
        return replace(self, table=self.table.with_columns(value=pl.when(gone).then(None).otherwise("value")))

    def without_person(self, code: int, at: int) -> "Codes":
        """Returns codes in which a user is forgotten; a user who is forgotten already changes nothing.

        Args:
            code: the number of the user.
            at: unix second of the deletion; rows of a text up to it are not imported again.
        """
        text = None if self.is_empty else self.decode(USER, pl.Series([code])).item()
        forgotten = self.forgotten.with_person(code, text, at)
        return replace(self if text is None else self.retired(USER, pl.Series([text])), forgotten=forgotten)

    def encode(self, kind: str, values: pl.Series) -> pl.Series:
        """Returns int32 codes of texts [n], -1 for null and unknown values."""
        known = self.table.filter(pl.col("kind") == kind, pl.col("value").is_not_null())
        return values.replace_strict(known["value"], known["code"], default=UNKNOWN, return_dtype=pl.Int32)

    def decode(self, kind: str, codes: pl.Series) -> pl.Series:
        """Returns the texts of codes [n]; an unknown code is null."""
        known = self.table.filter(kind=kind)
        return codes.cast(pl.Int32).replace_strict(known["code"], known["value"], default=None, return_dtype=pl.String)

    def with_texts(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Returns a frame of raw data with texts in place of codes, for people; unchanged without codes."""
        columns = {"user_id": USER, "item_id": ITEM, **{kind: kind for kind in (CATEGORY_1, CATEGORY_2, BRAND)}}
        found = {} if self.is_empty else {name: kind for name, kind in columns.items() if name in frame.columns}
        return frame.with_columns(self.decode(kind, frame[name]).alias(name) for name, kind in found.items())

    def save(self, folder: Path) -> None:
        """Writes `codes.parquet`, and the forgotten people."""
        self.table.write_parquet(folder / FILE)
        self.forgotten.save(folder)

    @classmethod
    def load(cls, folder: Path) -> "Codes":
        """Reads a folder written by `save`."""
        return cls(pl.read_parquet(folder / FILE), Forgotten.load(folder))


def _own_numbers(values: pl.Series) -> pl.Series:
    """Returns the numbers that texts write, null for other texts and for numbers from `OWN_NUMBERS` on; int32."""
    numbers = values.cast(pl.Int32, strict=False)
    is_own = (numbers.cast(pl.String) == values) & numbers.is_between(0, OWN_NUMBERS - 1)
    return numbers.set(~is_own.fill_null(False), None).alias("code")
