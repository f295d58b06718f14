"""The loop that computes the signals of histories and candidates. Numba compiles it, so import it inside functions.

`rec_assets_tests/features/numpy_signals.py` defines the same signals with NumPy; a test compares both.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.compiled import compiled

Array = npt.NDArray[Any]


@compiled(
    *("int64[:]", "int32[:]", "float64[:]", "float64[:]", "boolean[:]"),
    *("int64[:]", "int32[:]", "float32[:]"),
    *("int32[:]", "float64[:]", "int32[:]", "float64[:]", "float32[:]"),
    *("int32[:,:]", "float32[:,:]", "float64", "float64", "float64"),
    *("int32[:]!", "int32[:]!", "float64[:]!", "float32[:,:]!"),
)
def write_signals(
    past_splits: Array,
    past_items: Array,
    age: Array,
    weight: Array,
    starts: Array,
    splits: Array,
    candidates: Array,
    repurchase_days: Array,
    category_l2: Array,
    share_l2: Array,
    category_l1: Array,
    share_l1: Array,
    price: Array,
    neighbor_ids: Array,
    neighbor_weights: Array,
    month: float,
    prior_rows: float,
    price_variance: float,
    count: Array,
    first: Array,
    score: Array,
    signals: Array,
) -> None:
    """Writes `HISTORY_SIGNALS` of all candidates, in this order.

    Args:
        past_splits: begin and end of the history of each request [q + 1].
        past_items, age, weight, starts: as in `Past` [m].
        splits: begin and end of the candidates of each request [q + 1].
        candidates: encoded items [n].
        repurchase_days: item signal of this name, of each candidate [n].
        category_l2, category_l1: category by encoded item [v].
        share_l2, share_l1: share of each category in all interactions [c].
        price: by encoded item [v].
        neighbor_ids, neighbor_weights: as in `Neighbors` [w, k].
        month, prior_rows, price_variance: `MONTH`, `PRIOR_ROWS` and `PRICE_VARIANCE`.
        count, first, score: zeros by encoded item [v]; the loop restores them.
        signals: the result [signals, n].
    """
    basket_of = np.empty(len(past_items), np.int64)
    count_l2, first_l2 = np.zeros(len(share_l2), np.int64), np.zeros(len(share_l2), np.int64)
    count_l1, first_l1 = np.zeros(len(share_l1), np.int64), np.zeros(len(share_l1), np.int64)
    weight_l2, weight_l1 = np.zeros(len(share_l2)), np.zeros(len(share_l1))
    for request in range(len(splits) - 1):
        begin, end = past_splits[request], past_splits[request + 1]

        # 1. Counts the history by item, by category and by basket.
        distinct, baskets, baskets_month = 0, 0, 0
        all_weights, prices, squares = 0.0, 0.0, 0.0
        for row in range(begin, end):
            item = past_items[row]
            l2, l1 = category_l2[item], category_l1[item]
            if starts[row]:
                baskets += 1
                baskets_month += age[row] <= month
            basket_of[row] = baskets - 1
            if count[item] == 0:
                distinct += 1
                first[item] = row
            if count_l2[l2] == 0:
                first_l2[l2] = row
            if count_l1[l1] == 0:
                first_l1[l1] = row
            count[item] += 1
            count_l2[l2] += 1
            count_l1[l1] += 1
            weight_l2[l2] += weight[row]
            weight_l1[l1] += weight[row]
            all_weights += weight[row]
            prices += float(price[item])
            squares += float(price[item]) ** 2

        # 2. Adds the neighbors of each item of the history, at its first row.
        for row in range(begin, end):
            item = past_items[row]
            if first[item] == row and item < len(neighbor_ids):
                share = np.log1p(count[item])
                for place in range(neighbor_ids.shape[1]):
                    if neighbor_ids[item, place] < len(score):
                        score[neighbor_ids[item, place]] += share * neighbor_weights[item, place]

        # 3. Computes the signals of each candidate.
        length = end - begin
        mean = prices / max(length, 1)
        scale = np.sqrt(max(squares / max(length, 1) - mean**2, 0.0) + price_variance)
        for n in range(splits[request], splits[request + 1]):
            item = candidates[n]
            l2, l1 = category_l2[item], category_l1[item]
            days = np.log1p(age[first[item]]) if count[item] else 0.0
            signals[0, n] = np.log1p(count[item])
            signals[1, n] = days
            signals[2, n] = days - repurchase_days[n] if count[item] else 0.0
            signals[3, n] = np.log1p(basket_of[first[item]]) if count[item] else 0.0
            signals[4, n] = count[item] / max(baskets, 1)
            signals[5, n] = count[item] / max(count_l2[l2], 1)
            signals[6, n] = (price[item] - mean) / scale if length else 0.0
            signals[7, n] = np.log1p(score[item])
            signals[8, n] = np.log1p(count_l2[l2])
            signals[9, n] = np.log((weight_l2[l2] / share_l2[l2] + prior_rows) / (all_weights + prior_rows))
            signals[10, n] = np.log1p(age[first_l2[l2]]) if count_l2[l2] else 0.0
            signals[11, n] = np.log1p(count_l1[l1])
            signals[12, n] = np.log((weight_l1[l1] / share_l1[l1] + prior_rows) / (all_weights + prior_rows))
            signals[13, n] = np.log1p(age[first_l1[l1]]) if count_l1[l1] else 0.0
            signals[14, n] = np.log1p(length)
            signals[15, n] = np.log1p(baskets)
            signals[16, n] = np.log1p(baskets_month)
            signals[17, n] = np.log1p(age[begin]) if length else 0.0
            signals[18, n] = np.log1p(length / max(baskets, 1))
            signals[19, n] = (length - distinct) / (length + prior_rows)

        # 4. Restores the tables.
        for row in range(begin, end):
            item = past_items[row]
            if item < len(neighbor_ids):
                for place in range(neighbor_ids.shape[1]):
                    if neighbor_ids[item, place] < len(score):
                        score[neighbor_ids[item, place]] = 0.0
            count[item] = 0
            l2, l1 = category_l2[item], category_l1[item]
            count_l2[l2] = count_l1[l1] = 0
            weight_l2[l2] = weight_l1[l1] = 0.0
