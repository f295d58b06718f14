import numpy as np
import polars as pl
import pytest

from rec_assets.datasets.item_table import ItemTable
from rec_assets.evaluation.bundles.compare import BundleComparison, signals_before
from rec_assets.evaluation.bundles.replay import first_arrivals
from rec_assets.features.signals.item_signals import ITEM_SIGNALS, ItemCategories, ItemFacts, ItemSignals

JOINED = pl.DataFrame(
    {
        "user_id": [7, 3, 7, 3],
        "timestamp": [90_000, 200_000, 80_000, 100_000],
        "device_type": [0, 1, 2, -1],
        "age": [40, 30, 40, None],
        "gender": [1, 0, 1, -1],
        "top_category": [5, 6, 4, -1],
    }
)


def test_a_user_makes_one_request_with_the_features_of_the_first_interaction() -> None:
    requests = first_arrivals(JOINED)
    assert requests.user_ids.tolist() == [3, 7]
    assert requests.timestamps.tolist() == [100_000, 80_000]
    assert requests.device_types.tolist() == [-1, 2]
    np.testing.assert_array_equal(requests.age, np.array([np.nan, 40], np.float32))
    assert (requests.gender.tolist(), requests.top_category.tolist()) == ([-1, 1], [-1, 4])


def test_signals_are_those_of_the_start_of_the_earliest_day() -> None:
    by_day = np.array([[0, 0, 0, 1, 2], [0, 0, 0, 3, 4], [0, 0, 0, 5, 6]], np.float32)  # before days 0, 1 and 2
    signals = ItemSignals(np.arange(3), dict.fromkeys(ITEM_SIGNALS, by_day))
    groups, none = ItemCategories(np.zeros(5, np.int32), np.zeros(5, np.int32)), np.zeros(5, np.float32)
    facts = ItemFacts(groups, none, none, none)
    items = ItemTable(
        np.array([-1, -1, -1, 20, 10], np.int32), {}, np.zeros(5, np.int64), facts, signals, np.zeros(5, np.int64)
    )
    before = signals_before(items, first_arrivals(JOINED.filter(pl.col("timestamp") > 85_000)))
    assert before.item_ids.tolist() == [20, 10]
    assert [values.tolist() for values in before.signals.values()] == [[3, 4]] * len(ITEM_SIGNALS)


def test_methods_are_compared_user_by_user() -> None:
    scores = pl.DataFrame({"user_id": [1, 2], "candidate": [0.5, 0.1], "live": [0.3, 0.1]})
    result = BundleComparison(scores).compare("candidate", "live")
    assert (result.first, result.second) == pytest.approx((0.3, 0.2))
    assert result.difference == pytest.approx(0.1)
    assert result.standard_error == pytest.approx(0.1 / np.sqrt(2))
