"""Ranker signals: relation of a candidate to the user's history. Training and serving share them.

Counts and days are logarithms. A signal of days is 0 without an interaction; then the count beside it is 0, too.
Does not contain signals that are equal for all users (`features.item_signals`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.signals.item_signals import MONTH, ItemFacts
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import PRIOR_ROWS, Groups, Past

OWN_FIRST = 8.0  # more than the logarithm of any position, so own items stay first
PRICE_VARIANCE = 0.1  # of normalized log prices, added to a user's own variance
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
    "neighbor_score",
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
    first = np.searchsorted(owners, owners)

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
    baskets, basket = past.baskets
    items = past.items
    chosen, days_since, baskets_since = items.look_up(
        [items.count, past.age[items.first], basket[items.first]], owners, item_ids
    )
    values: dict[str, Values] = {
        "times_chosen": np.log1p(chosen),
        "days_since": np.log1p(days_since),
        "overdue": np.where(chosen > 0, np.log1p(days_since) - repurchase_days, 0),
        "baskets_since": np.log1p(baskets_since),
        "share_of_baskets": chosen / np.maximum(baskets, 1)[owners],
        "price_difference": _price_difference(past, item_ids, owners, facts.price),
        "neighbor_score": np.log1p(neighbors.scores_of(past, owners, item_ids)),
    }
    for level, category, share in facts.levels:
        groups = Groups.of(past.owners, category[past.item_ids])
        rows, days = groups.look_up([groups.count, past.age[groups.first]], owners, category[item_ids])
        values[f"times_in_{level}"], values[f"days_since_{level}"] = np.log1p(rows), np.log1p(days)
        values[f"affinity_to_{level}"] = np.log(past.affinity(category, share)[owners, category[item_ids]])
        if level == "category_l2":
            values["share_of_category_l2_rows"] = chosen / np.maximum(rows, 1)
    per_request = {
        "history_length": np.log1p(past.length),
        "baskets": np.log1p(baskets),
        "baskets_month": np.log1p(past.sums(past.starts & (past.age <= MONTH))),
        "days_since_any": np.log1p(past.days_since_any),
        "basket_size": np.log1p(past.length / np.maximum(baskets, 1)),
        "repeat_share": (past.length - items.per_owner(len(past.length))) / (past.length + PRIOR_ROWS),
    }
    values |= {name: column[owners] for name, column in per_request.items()}
    return {name: values[name].astype(np.float32) for name in HISTORY_SIGNALS}


def _price_difference(past: Past, item_ids: Ids, owners: Ids, price: Floats) -> Values:
    """Returns the price of each candidate minus the user's mean, in standard deviations; 0 without a history."""
    prices = price[past.item_ids].astype(np.float64)
    rows = np.maximum(past.length, 1)
    mean, square = past.sums(prices) / rows, past.sums(prices**2) / rows
    scale = np.sqrt(np.maximum(square - mean**2, 0) + PRICE_VARIANCE)
    return np.where(past.length[owners] > 0, (price[item_ids] - mean[owners]) / scale[owners], 0)
