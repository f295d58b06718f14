"""Vocabularies of the workflows: the known values of each categorical column, collected before NVTabular runs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

AGE_BOUNDARIES = (18, 25, 35, 50, 65)
NO_VALUE = -2  # NVTabular needs at least one entry per vocabulary; no row has this value
UNSEEN_AGE = 40.0  # the mean age if no training row has an age

Vocabulary = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FitInputs:
    """Sorted known values by column, without -1 and null, and the mean known age of the training rows."""

    vocabularies: dict[str, Vocabulary]
    mean_age: float


def fit_inputs(train: pl.LazyFrame, items: pl.LazyFrame) -> FitInputs:
    """Collects vocabularies from unmasked training rows and the catalog.

    Items and categories come from the catalog, so items without interactions get an index too. Users and devices come
    from the rows. With explicit vocabularies, unlisted values, -1 and null all get NVTabular's out-of-vocabulary index.
    Vocabularies fitted on rows would give -1 an ordinary index.
    """

    def values(frame: pl.LazyFrame, column: str) -> Vocabulary:
        known = frame.select(pl.col(column).cast(pl.Int64)).filter(pl.col(column) >= 0).unique().sort(column)
        collected = known.collect(engine="streaming")[column].to_numpy()
        return collected if len(collected) else np.array([NO_VALUE], np.int64)

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
