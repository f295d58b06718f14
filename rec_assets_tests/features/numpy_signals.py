"""The signals of histories, defined with NumPy: the reference of the compiled loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.signals.history_signals import HISTORY_SIGNALS, PRICE_VARIANCE
from rec_assets.features.signals.item_signals import MONTH, ItemFacts
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import PRIOR_ROWS, Past

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Groups:
    """Rows grouped by owner and value.

    Attributes:
        keys: owner << 32 | value of each group, ascending, int64 [g].
        of_row: group of each row, int64 [m].
        first: first row of each group, int64 [g]; of a history, the latest one.
        count: rows of each group, int64 [g].
    """

    keys: npt.NDArray[np.int64]
    of_row: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]

    @classmethod
    def of(cls, owners: Ids, values: Ids) -> "Groups":
        """Groups rows [m] by owner and by value, which must not be negative."""
        rows = owners.astype(np.int64) << 32 | values.astype(np.int64)
        keys, first, of_row, count = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
        return cls(keys, of_row, first, count)

    def look_up(self, columns: Sequence[Values], owners: Ids, values: Ids) -> list[npt.NDArray[np.float64]]:
        """Returns columns of groups [g] for owners and values [n], float64 [n] each; 0 without a group."""
        wanted = owners.astype(np.int64) << 32 | values.astype(np.int64)
        position = np.searchsorted(self.keys, wanted)
        found = np.append(self.keys, -1)[position] == wanted
        return [np.where(found, np.append(column, 0.0)[position], 0.0) for column in columns]


def numpy_signals(
    past: Past, item_ids: Ids, owners: Ids, facts: ItemFacts, neighbors: Neighbors, repurchase_days: Floats
) -> dict[str, Floats]:
    """Returns what `history_signals` returns for the same arguments."""
    baskets = sums(past, past.starts)
    basket = np.cumsum(past.starts) - 1 - np.append(0, np.cumsum(baskets)[:-1])[past.owners]
    items = Groups.of(past.owners, past.item_ids)
    newest = np.zeros(len(past))
    newest[past.owners[::-1]] = past.age[::-1]
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
        "neighbor_score": np.log1p(_neighbor_scores(past, items, item_ids, owners, neighbors)),
    }
    for level, category, share in facts.levels:
        groups = Groups.of(past.owners, category[past.item_ids])
        rows, days = groups.look_up([groups.count, past.age[groups.first]], owners, category[item_ids])
        values[f"times_in_{level}"], values[f"days_since_{level}"] = np.log1p(rows), np.log1p(days)
        values[f"affinity_to_{level}"] = np.log(affinity(past, category, share)[owners, category[item_ids]])
        if level == "category_l2":
            values["share_of_category_l2_rows"] = chosen / np.maximum(rows, 1)
    per_request = {
        "history_length": np.log1p(past.length),
        "baskets": np.log1p(baskets),
        "baskets_month": np.log1p(sums(past, past.starts & (past.age <= MONTH))),
        "days_since_any": np.log1p(newest),
        "basket_size": np.log1p(past.length / np.maximum(baskets, 1)),
        "repeat_share": (past.length - np.bincount(items.keys >> 32, minlength=len(past))) / (past.length + PRIOR_ROWS),
    }
    values |= {name: column[owners] for name, column in per_request.items()}
    return {name: values[name].astype(np.float32) for name in HISTORY_SIGNALS}


def _neighbor_scores(past: Past, items: Groups, item_ids: Ids, owners: Ids, neighbors: Neighbors) -> Values:
    """Returns the sum of the weights of the user's items to each candidate [n]."""
    scores = np.zeros((len(past), len(neighbors.item_ids) + 1))
    own, of_group = items.keys & 0xFFFF_FFFF, np.log1p(items.count)
    known = own < len(neighbors.item_ids)
    added = neighbors.weights[own[known]] * of_group[known, None]
    np.add.at(scores, ((items.keys >> 32)[known, None], neighbors.item_ids[own[known]]), added)
    return scores[owners, np.minimum(item_ids, len(neighbors.item_ids))]


def _price_difference(past: Past, item_ids: Ids, owners: Ids, price: Floats) -> Values:
    """Returns the price of each candidate minus the user's mean, in standard deviations; 0 without a history."""
    prices = price[past.item_ids].astype(np.float64)
    rows = np.maximum(past.length, 1)
    mean, square = sums(past, prices) / rows, sums(past, prices**2) / rows
    scale = np.sqrt(np.maximum(square - mean**2, 0) + PRICE_VARIANCE)
    return np.where(past.length[owners] > 0, (price[item_ids] - mean[owners]) / scale[owners], 0)


def affinity(past: Past, category: Ids, share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns how much more often the user of each request chooses each category than all users do, [q, c]."""
    count = len(share)
    keys = past.owners * count + category[past.item_ids]
    own = np.bincount(keys, past.weight, len(past) * count).reshape(-1, count)
    return (own / share + PRIOR_ROWS) / (sums(past, past.weight)[:, None] + PRIOR_ROWS)


def sums(past: Past, values: Values) -> npt.NDArray[np.float64]:
    """Sums values of rows [m] by request [q]."""
    return np.bincount(past.owners, values, len(past)).astype(np.float64)
