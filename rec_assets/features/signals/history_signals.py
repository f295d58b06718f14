"""Ranker signals: relation of a candidate to the user's history. Training and serving share them.

Counts and days are logarithms. A signal of days is 0 without an interaction; then the count beside it is 0, too.
Does not contain signals that are equal for all users (`features.signals.item_signals`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.signals.item_signals import MONTH, ItemFacts
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import PRIOR_ROWS, Past, require_below

OWN_FIRST = 8.0  # more than the logarithm of any position, so own items stay first
PRICE_VARIANCE = 0.1  # of normalized log prices, added to a user's own variance
NEIGHBOR_SCORE = "neighbor_score"
REQUEST_SIGNALS = ("history_length", "baskets", "baskets_month", "days_since_any", "basket_size", "repeat_share")
CATEGORY_SIGNALS = ("times_in_{}", "affinity_to_{}", "days_since_{}")
HISTORY_SIGNALS = (
    "times_chosen",
    "days_since",
    "overdue",
    "baskets_since",
    "share_of_baskets",
    "share_of_category_l2_rows",
    "price_difference",
    NEIGHBOR_SCORE,
    *(name.format(level) for level in ("category_l2", "category_l1") for name in CATEGORY_SIGNALS),
    *REQUEST_SIGNALS,
)

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[Any]


def retrieval_rank(owners: Ids, times_chosen: Values) -> Floats:
    """Returns the rank of candidates in the order of retrieval, float32 [n].

    This is log(1 + position), from 0, among the request's candidates that the user chose before, or among those that
    the user did not choose. The former are `OWN_FIRST` lower. So the rank of a new item is the same with and without
    the user's own items, which a filter may leave out.

    Args:
        owners: request of each candidate, ascending [n].
        times_chosen: the signal of this name [n].
    """
    own = times_chosen > 0
    first = np.searchsorted(owners, np.arange(owners[-1] + 1 if len(owners) else 0))[owners]

    def position(kind: Values) -> Values:
        so_far = np.append(0, np.cumsum(kind))
        return so_far[:-1] - so_far[first]

    return (np.log1p(np.where(own, position(own), position(~own))) - np.where(own, OWN_FIRST, 0)).astype(np.float32)


def history_signals(
    past: Past,
    item_ids: npt.NDArray[np.int32],
    owners: Ids,
    facts: ItemFacts,
    neighbors: Neighbors,
    repurchase_days: Floats,
) -> dict[str, Floats]:
    """Returns `HISTORY_SIGNALS` of candidates, float32 [n] each.

    Args:
        past: histories of the requests.
        item_ids: encoded candidates of all requests [n].
        owners: request of each candidate, ascending [n].
        facts: properties of all items.
        neighbors: neighbors of all items.
        repurchase_days: item signal of this name, of each candidate [n].
    """
    from rec_assets.features.signals.signal_loop import write_signals

    signals = np.empty((len(HISTORY_SIGNALS), len(item_ids)), np.float32)
    require_below(item_ids, len(facts.price))
    (_, category_l2, share_l2), (_, category_l1, share_l1) = facts.levels
    write_signals(
        past.splits,
        past.items_below(len(facts.price)),
        past.age,
        past.weight,
        past.starts,
        np.searchsorted(owners, np.arange(len(past) + 1)),
        item_ids,
        repurchase_days,
        category_l2.astype(np.int32, copy=False),
        share_l2,
        category_l1.astype(np.int32, copy=False),
        share_l1,
        facts.price,
        neighbors.item_ids,
        neighbors.weights,
        MONTH,
        PRIOR_ROWS,
        PRICE_VARIANCE,
        facts.scratch.count,
        facts.scratch.first,
        facts.scratch.sums[0],
        signals,
    )
    return dict(zip(HISTORY_SIGNALS, signals, strict=True))
