import numpy as np
import polars as pl

from rec_assets.evaluation.baselines import context_popularity as module
from rec_assets.evaluation.baselines.context_popularity import context_popularity

MORNING, EVENING = 8 * 3600, 20 * 3600
MOBILE, DESKTOP = 0, 1


def rows(*counts: tuple[int, int, int, int]) -> pl.DataFrame:
    """Builds rows from (item, device, second of the day, number of interactions)."""
    expanded = [(item, device, at) for item, device, at, times in counts for _ in range(times)]
    schema = {"item_id": pl.Int32, "device_type": pl.Int32, "timestamp": pl.Int64}
    return pl.DataFrame(expanded, schema, orient="row")


def test_each_context_gets_its_own_favorites() -> None:
    log = rows((1, MOBILE, EVENING, 3000), (2, DESKTOP, MORNING, 2900), (3, MOBILE, EVENING, 10))
    lists = context_popularity(log, np.array([EVENING, MORNING]), np.array([MOBILE, DESKTOP]), 3, days=1)
    assert lists.tolist() == [[1, 2, 3], [2, 1, 3]]


def test_a_context_without_rows_gets_overall_popularity() -> None:
    log = rows((1, MOBILE, EVENING, 30), (2, MOBILE, EVENING, 50))
    assert context_popularity(log, np.array([MORNING]), np.array([-1]), 9, days=1).tolist() == [[2, 1]]


def test_a_few_chance_interactions_do_not_outweigh_overall_popularity() -> None:
    log = rows((1, MOBILE, EVENING, int(2 * module.PRIOR)), (2, DESKTOP, MORNING, 3))
    assert context_popularity(log, np.array([MORNING]), np.array([DESKTOP]), 1, days=1).tolist() == [[1]]
