"""The ranking window: the latest part of the training rows. Its requests train the ranker.

The towers and the neighbors of these requests have only rows from before the window, as in serving, where all rows are
older than the request. A tower that was trained on the same days scores too well: a ranker of such scores relies on
them too much, and its lists can get worse than the retrieval order (docs/experiments.md).
"""

from dataclasses import replace
from math import ceil

import numpy as np
import polars as pl

from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.queries import Queries
from rec_assets.datasets.rows import Arrays, take
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP

LEAST_SHARE, MOST_SHARE = 1 / 4, 1 / 2  # of the time that the training rows cover


def before_window(data: TrainingSet, horizon_days: int) -> TrainingSet:
    """Returns the training set as of the start of the window.

    Its rows are those before the window, its `last_rows` are those of the window, and its validation queries are those
    of the first `horizon_days` of the window. Without known users there, the queries stay those of the validation days.

    Args:
        data: the training set.
        horizon_days: as for `window_of`.
    """
    window = window_of(data.rows, horizon_days)
    rows, later = take(data.rows, slice(window.start)), take(data.rows, window)
    counts = np.bincount(rows["item_id"], minlength=len(data.items.counts))
    end = rows[TIMESTAMP][-1] + horizon_days * DAY_SECONDS
    queries = _queries(take(later, slice(int(np.searchsorted(later[TIMESTAMP], end, side="right")))), rows, data)
    return replace(
        data,
        items=replace(data.items, counts=counts),
        validation=queries if len(queries) else data.validation,
        rows=rows,
        last_rows=later,
    )


def window_of(rows: Arrays, horizon_days: int) -> slice:
    """Returns the part of the training rows that belongs to the window.

    The window has `horizon_days`, so that the towers are as old at a request as in validation. It is longer if this is
    less than `LEAST_SHARE` of the time, so that a long history has enough requests, and never longer than `MOST_SHARE`.

    Args:
        rows: the training rows with timestamps, in the order of time [n].
        horizon_days: number of validation days.
    """
    times = rows[TIMESTAMP]
    covered = int(times[-1] - times[0])
    length = min(max(horizon_days * DAY_SECONDS, int(LEAST_SHARE * covered)), ceil(MOST_SHARE * covered))
    return slice(int(np.searchsorted(times, times[-1] - length, side="right")), len(times))


def _queries(rows: Arrays, before: Arrays, data: TrainingSet) -> Queries:
    """Returns one query for each known user of some rows; users without a row before them are cold."""
    known = np.flatnonzero(rows[REQUEST_USER_ID] >= 0)
    users, first = np.unique(rows[REQUEST_USER_ID][known], return_index=True)
    columns = take({name: column for name, column in rows.items() if name != "item_id"}, known[first])
    pairs = pl.DataFrame(
        {
            "user_id": rows[REQUEST_USER_ID][known].astype(np.int32),
            "item_id": data.items.raw_ids[rows["item_id"][known]],
        }
    )
    return Queries(
        users.astype(np.int32),
        columns[TIMESTAMP],
        np.full(len(users), -1, np.int32),  # unknown: the towers read the encoded device of `columns`
        columns,
        pairs.unique(maintain_order=True),
        ~np.isin(users, before[REQUEST_USER_ID]),
    )
