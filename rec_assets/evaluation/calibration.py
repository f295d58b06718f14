"""Calibration of a ranker: compares its scores, as probabilities, with observed rates."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import brier_score_loss

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """Comparison of scores with observed rates.

    Attributes:
        table: one row per tenth of the pairs, lowest scores first, with pairs, score (mean) and rate (share of hits).
        brier: mean squared difference between score and outcome.
        expected_error: mean absolute difference between score and rate over the tenths, weighted by pairs.
    """

    table: pl.DataFrame
    brier: float
    expected_error: float


def calibrate(scores: npt.NDArray[np.float32], hits: npt.NDArray[np.bool_]) -> Calibration:
    """Compares predicted probabilities of pairs with hits (True for an interaction); both have one shape, not empty."""
    flat, outcomes = scores.ravel().astype(np.float64), hits.ravel()
    table = (
        pl.DataFrame({"score": flat, "rate": outcomes.astype(np.float64)})
        .with_columns(tenth=(pl.col("score").rank("ordinal") - 1) * BINS // pl.len())
        .group_by("tenth")
        .agg(pl.len().alias("pairs"), pl.col("score", "rate").mean())
        .sort("tenth")
        .drop("tenth")
    )
    gaps = (table["score"] - table["rate"]).abs()
    error = float((gaps * table["pairs"]).sum() / flat.size)
    return Calibration(table, float(brier_score_loss(outcomes, flat)), error)
