"""The fitted workflow as plain lookups: vocabularies and normalization constants, and their file format.

Encodes rows with NumPy as NVTabular does. Training's export, the serving stages and the parity check use this code.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.errors import ActionableError

LOOKUPS, CATALOG = "lookups.npz", "items.parquet"  # files of the fitted workflows, and of a fine-tune set
OUT_OF_VOCABULARY = 2  # NVTabular's index of unknown values; 0 is padding and 1 is null, neither is produced here
FIRST_KNOWN = 3
SPARSE = 16  # a vocabulary with a larger value per entry is searched; others are a table, a fifth of the time or less
CATEGORICALS = (
    "user_id",
    "gender",
    "top_category",
    "age_binned",
    "item_id",
    "category_l1",
    "category_l2",
    "item_gender",
    "device_type",
)
_SCALARS = ("age_mean", "age_norm_mean", "age_std", "price_log_mean", "price_log_std")

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Lookups:
    """Tables of a fitted workflow.

    Attributes:
        vocabularies: known values of each of `CATEGORICALS` in the order of their indices, unique, int64. They are
            sorted, except items added after the fit, which are appended.
        age_boundaries: lower bounds of the age bins after the first, ascending, years.
        age_mean: age that replaces an unknown age, years.
        age_norm_mean, age_std: mean and deviation for the normalization of ages.
        price_log_mean, price_log_std: mean and deviation for the normalization of log(1 + price).
    """

    vocabularies: dict[str, npt.NDArray[np.int64]]
    age_boundaries: tuple[float, ...]
    age_mean: float
    age_norm_mean: float
    age_std: float
    price_log_mean: float
    price_log_std: float

    @cached_property
    def _orders(self) -> dict[str, npt.NDArray[np.int64]]:
        return {column: np.argsort(values, kind="stable") for column, values in self.vocabularies.items()}

    def _codes(self, column: str) -> Indices | None:
        """Returns the codes of the values -1, 0, 1, …, largest + 1, or None if few of these values are known."""
        if column not in self._tables:
            self._tables[column] = table_of_positions(self.vocabularies[column], FIRST_KNOWN, OUT_OF_VOCABULARY)
        return self._tables[column]

    @cached_property
    def _tables(self) -> dict[str, Indices | None]:
        return {}

    def size(self, column: str) -> int:
        """Returns the number of encoded indices of a column, including the reserved indices."""
        return FIRST_KNOWN + len(self.vocabularies[column])

    def encode(self, column: str, values: npt.ArrayLike) -> Indices:
        """Returns 3 + the position of each value in the column's vocabulary, 2 for unknown, -1 or NaN; int32 [n]."""
        raw = _integers(values)
        codes = self._codes(column)
        if codes is not None:
            return at_value(codes, raw)
        vocabulary = self.vocabularies[column]
        if not len(vocabulary):
            return np.full(raw.shape, OUT_OF_VOCABULARY, np.int32)
        order = self._orders[column]
        position = order[np.minimum(np.searchsorted(vocabulary, raw, sorter=order), len(vocabulary) - 1)]
        return np.where(vocabulary[position] == raw, position + FIRST_KNOWN, OUT_OF_VOCABULARY).astype(np.int32)

    def decode(self, column: str, indices: npt.ArrayLike) -> Indices:
        """Returns the raw values of encoded indices, -1 for reserved indices; int32 [n]."""
        position, vocabulary = np.asarray(indices, np.int64) - FIRST_KNOWN, self.vocabularies[column]
        known = position >= 0
        raw = vocabulary[np.where(known, position, 0)] if len(vocabulary) else position
        return np.where(known, raw, -1).astype(np.int32)

    def is_known(self, column: str, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Returns whether each value is in the column's vocabulary; bool [n]."""
        return self.encode(column, values) != OUT_OF_VOCABULARY

    def age_norm(self, age: npt.ArrayLike) -> Floats:
        """Returns normalized ages, float32 [n]; NaN and negative ages count as the mean age."""
        return _normalize(self._known_age(age), self.age_norm_mean, self.age_std)

    def age_binned(self, age: npt.ArrayLike) -> Indices:
        """Returns encoded age bins, int32 [n]; NaN and negative ages count as the mean age."""
        return self.encode("age_binned", np.digitize(self._known_age(age), self.age_boundaries))

    def price_log_norm(self, price: npt.ArrayLike) -> Floats:
        """Returns normalized log(1 + price), float32 [n]; 0, the mean, if the price is NaN or not positive."""
        values = np.asarray(price, np.float64)
        known = values > 0
        logs = np.log1p(np.where(known, values, 0.0))
        return np.where(known, _normalize(logs, self.price_log_mean, self.price_log_std), np.float32(0))

    def _known_age(self, age: npt.ArrayLike) -> npt.NDArray[np.float64]:
        values = np.asarray(age, np.float64)
        return np.where(values >= 0, values, self.age_mean)

    def save(self, file: Path) -> None:
        """Writes one npz: `vocabulary/<column>` int64, `age_boundaries` float32, the constants as float32 scalars."""
        arrays = {f"vocabulary/{column}": self.vocabularies[column] for column in CATEGORICALS}
        scalars = {name: np.float32(getattr(self, name)) for name in _SCALARS}
        np.savez_compressed(file, age_boundaries=np.asarray(self.age_boundaries, np.float32), **arrays, **scalars)

    @classmethod
    def load(cls, file: Path) -> "Lookups":
        """Reads a file written by `save`; raises ActionableError for any other file."""
        try:
            with np.load(file) as arrays:
                return cls(
                    vocabularies={column: arrays[f"vocabulary/{column}"] for column in CATEGORICALS},
                    age_boundaries=tuple(float(bound) for bound in arrays["age_boundaries"]),
                    **{name: float(arrays[name]) for name in _SCALARS},
                )
        except (OSError, ValueError, KeyError) as error:
            raise ActionableError(
                f"{file} is not a workflow export ({error}).", "Materialize nvt_workflows and the bundle again."
            ) from error


def table_of_positions(values: npt.NDArray[np.integer[Any]], first: int, unknown: int) -> Indices | None:
    """Returns a table for `at_value`, or None if few of the values -1, 0, 1, …, largest + 1 are among some values.

    Args:
        values: distinct values [n].
        first: entry of the first value; those of the others follow.
        unknown: entry of all other values.
    """
    if not len(values) or values.min() < 0 or values.max() > SPARSE * len(values):
        return None
    table = np.full(int(values.max()) + 3, unknown, np.int32)
    table[values + 1] = np.arange(first, first + len(values))
    return table


def at_value(table: Indices, values: npt.NDArray[np.integer[Any]]) -> Indices:
    """Returns the entry of each value in a table of `table_of_positions`; int32 [n]."""
    return table.take(values + 1, mode="clip")


def _integers(values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind == "f":
        array = np.where(np.isfinite(array), array, -1)
    return array.astype(np.int64)


def _normalize(values: npt.NDArray[np.float64], mean: float, deviation: float) -> Floats:
    if deviation == 0:
        return np.zeros(values.shape, np.float32)
    return ((values - mean) / deviation).astype(np.float32)
