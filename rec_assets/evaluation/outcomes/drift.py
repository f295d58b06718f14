"""Drift: compares the distribution of each feature of served answers with a reference.

The size of a change is the population stability index (PSI). A chi-squared test tells a change from chance, so small
samples raise no alarm. Evidently would do the same, with 30 more packages and older versions of four that we need.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import chi2_contingency

UNIT = "unit"  # column: rows of one unit, such as a user, depend on each other
MAX_BINS = 10  # of numbers: tenths of the reference, or fewer of small samples
MIN_EXPECTED = 5.0  # rows of a bin, in the smaller sample; required by the test
FALSE_ALARMS = 0.01  # probability that a report of equal distributions has a drifted feature
UNKNOWN, OTHER = "unknown", "rare values"
# served, reference: rows; psi: 0 for equal distributions; p_value: probability of such a difference by chance; change:
# the bin that differs most, with its shares in the reference and in the served answers.
DRIFT = {
    "feature": pl.String,
    "served": pl.Int64,
    "reference": pl.Int64,
    "psi": pl.Float64,
    "p_value": pl.Float64,
    "drifted": pl.Boolean,
    "change": pl.String,
}


@dataclass(frozen=True)
class _Counts:
    """Rows by bin of the reference and of the served answers, float64 [bins] each, and the bins' names."""

    names: list[str]
    reference: npt.NDArray[np.float64]
    served: npt.NDArray[np.float64]


def compare_features(served: pl.DataFrame, reference: pl.DataFrame, largest_psi: float) -> pl.DataFrame:
    """Compares all columns of `served` but `UNIT` with those of the reference.

    A feature has drifted if its PSI is larger than `largest_psi` and chance explains the difference with a probability
    below `FALSE_ALARMS`, divided by the number of features. Rows of one unit may be equal, so a sample counts as many
    rows as it has units. Floats are numbers, columns of other types are categories, and null is a category of its own.

    Args:
        served: `UNIT` and the features of served answers.
        reference: the same columns.
        largest_psi: largest PSI that is no drift.

    Returns:
        One row per feature, the largest PSI first: the columns of `DRIFT`. Empty if a sample has no rows.
    """
    features = [name for name in served.columns if name != UNIT]
    if served.is_empty() or reference.is_empty():
        return pl.DataFrame(schema=DRIFT)
    units = [frame[UNIT].n_unique() for frame in (reference, served)]
    # Twice the rows that the test requires, because the ends of the bins are estimates.
    bins = max(1, min(MAX_BINS, int(min(units) / (2 * MIN_EXPECTED))))
    rows = []
    for name in features:
        counts = _merge_rare(_count(reference[name], served[name], units, bins))
        parts, p_value = _psi(counts), _p_value(counts)
        psi = float(parts.sum())
        drifted = psi > largest_psi and p_value < FALSE_ALARMS / len(features)
        rows.append((name, served.height, reference.height, psi, p_value, drifted, _change(counts, parts)))
    return pl.DataFrame(rows, DRIFT, orient="row").sort("psi", descending=True, maintain_order=True)


def _count(reference: pl.Series, served: pl.Series, units: list[int], bins: int) -> _Counts:
    """Counts the rows of each category, or of `bins` intervals of a number, scaled to the units of each sample."""
    if reference.dtype.is_float():
        edges = _edges(reference, bins)
        reference, served = (_intervals(one, edges) for one in (reference, served))
    binned = [one.cast(pl.String).fill_null(UNKNOWN).alias("bin") for one in (reference, served)]
    counts = [one.value_counts(name="rows") for one in binned]
    both = counts[0].join(counts[1], on="bin", how="full", coalesce=True).sort("bin")
    rows = [both[name].fill_null(0).to_numpy().astype(np.float64) for name in ("rows", "rows_right")]
    return _Counts(both["bin"].to_list(), *(one / one.sum() * number for one, number in zip(rows, units, strict=True)))


def _edges(values: pl.Series, bins: int) -> list[float]:
    """Returns the ends between equal parts of numbers, without duplicates, in order."""
    known = values.drop_nulls().sort().to_numpy()
    ends = known[[len(known) * n // bins for n in range(1, bins) if len(known)]]
    return np.unique(ends[ends > known[:1]]).tolist()


def _intervals(values: pl.Series, edges: list[float]) -> pl.Series:
    """Returns the name of each number's interval, null for null."""
    texts = [f"{edge:.3g}" for edge in edges]
    inner = [f"{low} to {high}" for low, high in pairwise(texts)]
    names = pl.Series([f"below {texts[0]}", *inner, f"from {texts[-1]}"] if texts else ["any number"])
    places = np.digitize(values.fill_null(0.0).to_numpy(), edges)
    return pl.select(pl.when(values.is_not_null()).then(names[places])).to_series()


def _merge_rare(counts: _Counts) -> _Counts:
    """Returns counts with one bin for all bins with fewer than `MIN_EXPECTED` expected rows."""
    both = counts.reference + counts.served
    expected = both / both.sum() * min(counts.reference.sum(), counts.served.sum())
    order = np.argsort(-expected, kind="stable")
    rare = int((expected < MIN_EXPECTED).sum())
    # The rare bins together may be rare too; then the smallest of the others joins them.
    while rare and rare < len(order) and expected[order[-rare:]].sum() < MIN_EXPECTED:
        rare += 1
    if rare < 2:
        return counts
    kept, merged = order[:-rare], order[-rare:]
    return _Counts(
        [*(counts.names[bin_] for bin_ in kept), OTHER],
        np.append(counts.reference[kept], counts.reference[merged].sum()),
        np.append(counts.served[kept], counts.served[merged].sum()),
    )


def _psi(counts: _Counts) -> npt.NDArray[np.float64]:
    """Returns each bin's part of the PSI; half a row is added to each bin, so none has a share of 0."""
    served, reference = ((rows + 0.5) / (rows + 0.5).sum() for rows in (counts.served, counts.reference))
    return np.asarray((served - reference) * np.log(served / reference))


def _p_value(counts: _Counts) -> float:
    if len(counts.names) < 2:
        return 1.0
    result: Any = chi2_contingency(np.stack([counts.reference, counts.served]), correction=False)
    return float(result.pvalue)


def _change(counts: _Counts, parts: npt.NDArray[np.float64]) -> str:
    """Returns the bin with the largest part of the PSI, and its shares in the reference and in the served answers."""
    bin_ = int(np.argmax(parts))
    shares = [rows[bin_] / rows.sum() for rows in (counts.reference, counts.served)]
    return f"{counts.names[bin_]}: {shares[0]:.0%} to {shares[1]:.0%}"
