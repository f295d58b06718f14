"""Compares the exported lookups with NVTabular, value by value."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from merlin.io import Dataset

from rec_assets.common.units import DAY_SECONDS, HOUR_SECONDS
from rec_assets.features.clock import clock_features
from rec_assets.inference.lookups import LOOKUPS, Lookups
from rec_assets.preprocessing.fit import WORKFLOW
from rec_assets.preprocessing.workflow import SUBGRAPHS, load_workflow

UNSEEN = 10_000_000  # not an id, a category or an age of any real catalog


def largest_differences(workflows: Path, lookups: Lookups | None = None) -> dict[str, float]:
    """Returns the largest difference of each output column over known values, unknown values, -1 and nulls.

    Args:
        workflows: the folder that `fit_workflows` filled.
        lookups: lookups to compare in place of the fitted ones; they may contain items added after the fit.
    """
    fitted = Lookups.load(workflows / LOOKUPS)
    lookups = lookups or fitted
    differences: dict[str, float] = {}
    for part in SUBGRAPHS:
        raw = _probes(part, fitted)
        workflow = load_workflow(workflows / WORKFLOW, part)
        expected = workflow.transform(Dataset(pd.DataFrame(raw))).to_ddf().compute()
        for column, values in _by_lookups(part, raw, lookups).items():
            # Relative above 1: a price or an age far from the mean is a large number in float32.
            difference = np.abs(expected[column].to_numpy().astype(np.float64) - values) / np.maximum(1, np.abs(values))
            differences[column] = float(np.nan_to_num(difference, nan=np.inf).max())
    return differences


def _probes(part: str, lookups: Lookups) -> dict[str, npt.NDArray[np.generic]]:
    def ids(column: str) -> npt.NDArray[np.int32]:
        return np.concatenate([lookups.vocabularies[column], [-1, UNSEEN]]).astype(np.int32)

    prices = np.array([0.01, 1, 19.99, 250, 99_999, np.nan], np.float32)
    if part == "user":
        ages = np.array([*range(121), -1, np.nan], np.float32)
        columns = {"user_id": ids("user_id"), "gender": ids("gender"), "top_category": ids("top_category"), "age": ages}
    elif part == "item":
        names = ("item_id", "category_l1", "category_l2", "item_gender")
        columns = {**{name: ids(name) for name in names}, "price": prices}
    else:
        columns = {"device_type": ids("device_type"), "timestamp": np.arange(0, 8 * DAY_SECONDS, HOUR_SECONDS // 2)}
    length = max(map(len, columns.values()))
    return {name: np.resize(values, length) for name, values in columns.items()}


def _by_lookups(
    part: str, raw: dict[str, npt.NDArray[np.generic]], lookups: Lookups
) -> dict[str, npt.NDArray[np.generic]]:
    encoded = {name: lookups.encode(name, values) for name, values in raw.items() if name in lookups.vocabularies}
    if part == "user":
        return {**encoded, "age_norm": lookups.age_norm(raw["age"]), "age_binned": lookups.age_binned(raw["age"])}
    if part == "item":
        return {**encoded, "price_log_norm": lookups.price_log_norm(raw["price"])}
    return {**encoded, **clock_features(raw["timestamp"])}
