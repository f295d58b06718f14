"""Vocabularies of the workflows, made before NVTabular sees a row: the known values of each categorical column."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

AGE_BOUNDARIES = (18, 25, 35, 50, 65)
NO_VALUE = -2  # NVTabular needs one entry even where nothing is known; no row has this one
UNSEEN_AGE = 40.0  # the mean age where no training row has one

Vocabulary = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FitInputs:
    """Sorted known values by column (-1 and null are never among them), and the mean known age of the training rows."""

    vocabularies: dict[str, Vocabulary]
    mean_age: float


def fit_inputs(train: pl.LazyFrame, items: pl.LazyFrame) -> FitInputs:
    """Collects vocabularies from unmasked training rows and the catalog.

    Items and categories come from the catalog, so that an item nobody chose yet has an index of its own; users and
    devices come from the rows. Explicit vocabularies give "unknown" one meaning: whatever is not listed, -1 and null
    included, becomes NVTabular's out-of-vocabulary index. Fitted on rows, -1 would become an ordinary value.
    """

    def values(frame: pl.LazyFrame, column: str) -> Vocabulary:
        known = frame.select(pl.col(column).cast(pl.Int64)).filter(pl.col(column) >= 0).unique().sort(column)
        found = known.collect(engine="streaming")[column].to_numpy()
        return found if len(found) else np.array([NO_VALUE], np.int64)

    categories = values(items, "category_l1")
    vocabularies = {
        "user_id": values(train, "user_id"),
        "gender": values(train, "gender"),
        "top_category": categories,
        "age_binned": np.arange(len(AGE_BOUNDARIES) + 1, dtype=np.int64),
        "item_id": values(items, "item_id"),
        "category_l1": categories,
        "category_l2": values(items, "category_l2"),
        "item_gender": values(items, "item_gender"),
        "device_type": values(train, "device_type"),
    }
    mean_age = train.select(pl.col("age").fill_nan(None).mean()).collect(engine="streaming").item()
    return FitInputs(vocabularies, UNSEEN_AGE if mean_age is None else float(np.float32(mean_age)))
