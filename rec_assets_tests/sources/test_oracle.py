"""Tests of the oracle: its probabilities match the generator's draws, and its list beats popularity several times."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from rec_assets.sources.base import midnight
from rec_assets.sources.retail import RetailParameters, RetailSource
from rec_assets.sources.retail.catalog import Floats
from rec_assets.sources.retail.sessions import draw_items, draw_styles
from rec_assets_tests.sources.conftest import SMALL

AT = midnight(SMALL.start_date)


def chi_square_excess(counts: npt.NDArray[np.int64], probabilities: Floats) -> float:
    """Returns Pearson's statistic in standard deviations above its mean, with rare items pooled."""
    expected = probabilities * counts.sum()
    common = expected >= 10
    observed = np.append(counts[common], counts[~common].sum())
    expected = np.append(expected[common], max(expected[~common].sum(), 1e-9))
    freedom = len(expected) - 1
    return float((((observed - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom))


@pytest.mark.parametrize(("user", "hour", "device", "day"), [(1, 8, 1, 0), (17, 21, 0, 4), (410, 13, 2, 3)])
def test_first_items_of_many_sessions_have_the_probabilities_of_the_oracle(
    shop: RetailSource, user: int, hour: int, device: int, day: int
) -> None:
    n = 60_000
    users, hours, devices = np.full(n, user - 1), np.full(n, hour), np.full(n, device)
    random = np.random.default_rng(0)
    taste = shop.taste(day)
    styles = draw_styles(taste, users, hours, devices, random)
    counts = np.bincount(draw_items(taste, styles[:, 0], users, random), minlength=SMALL.items)
    probabilities = shop.probabilities([user], [AT + day * 86_400 + hour * 3_600], [device])[0]
    assert counts[probabilities == 0].sum() == 0
    assert abs(chi_square_excess(counts, probabilities.astype(np.float64))) < 5


def test_a_whole_day_agrees_with_the_oracle_for_known_and_for_anonymous_users() -> None:
    busy = RetailSource(RetailParameters(users=60, items=600, interactions_per_day=400_000, days=1))
    rows = busy.interactions(busy.parameters.start_date).with_columns(hour=pl.col("timestamp") % 86_400 // 3_600)
    # With few users, the later events of sessions change the frequencies slightly, because items do not repeat.
    cell = rows.filter((pl.col("hour") == 20) & (pl.col("device_type") == 0))
    assert correlation(busy, cell, -1, 20, 0) > 0.97
    user = cell["user_id"].value_counts(sort=True)["user_id"][0]
    of_user = cell.filter(pl.col("user_id") == user)
    assert correlation(busy, of_user, user, 20, 0) > 0.95
    assert correlation(busy, of_user, -1, 20, 0) < 0.9


def correlation(shop: RetailSource, rows: pl.DataFrame, user: int, hour: int, device: int) -> float:
    counts = np.bincount(rows["item_id"].to_numpy() - 1, minlength=shop.parameters.items)
    return float(np.corrcoef(counts, shop.probabilities([user], [AT + hour * 3_600], [device])[0])[0, 1])


def test_probabilities_sum_to_one_and_are_zero_for_items_not_yet_on_sale(shop: RetailSource) -> None:
    users = np.array([-1, 1, 2, 10**6, -1])
    probabilities = shop.probabilities(users, np.full(5, AT + 3_600), np.array([-1, -1, 0, 1, 2]))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    late = shop.items()["first_day"].is_not_null().to_numpy()
    assert (probabilities[:, late] == 0).all()


def test_an_unknown_device_is_the_average_over_the_users_devices(shop: RetailSource) -> None:
    each = shop.probabilities([5, 5, 5], [AT] * 3, [0, 1, 2])
    unknown = shop.probabilities([5], [AT], [-1])[0]
    assert (unknown <= each.max(axis=0) + 1e-7).all()
    assert (unknown >= each.min(axis=0) - 1e-7).all()


def test_the_best_ranking_is_by_probability_in_the_order_of_the_requests(shop: RetailSource) -> None:
    users, times = np.array([3, -1, 9]), np.array([AT + 2 * 86_400, AT + 60, AT + 86_400])
    best = shop.best_ranking(users, times, [0, 1, 2], 7)
    probabilities = shop.probabilities(users, times, [0, 1, 2])
    assert best.shape == (3, 7)
    assert best.dtype == np.int32
    np.testing.assert_array_equal(
        np.take_along_axis(probabilities, best - 1, 1), -np.sort(-probabilities, axis=1)[:, :7]
    )
    assert shop.best_ranking([1], [AT], [0], 10**6).shape == (1, SMALL.items)


def test_the_best_list_hits_several_times_more_often_than_popularity() -> None:
    shop = RetailSource(replace(SMALL, items=1_000, interactions_per_day=6_000))
    first = shop.interactions(SMALL.start_date).unique("user_id", keep="first", maintain_order=True)
    best = shop.best_ranking(first["user_id"], first["timestamp"], first["device_type"], 10)
    popular = first["item_id"].value_counts(sort=True)["item_id"].head(10).to_numpy()
    relevant = first["item_id"].to_numpy()[:, None]
    assert (best == relevant).any(axis=1).mean() > 3 * (popular == relevant).any(axis=1).mean()
