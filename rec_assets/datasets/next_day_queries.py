"""Queries of the days after a full training, encoded by its workflow."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rec_assets.datasets.joined_days import history_files
from rec_assets.datasets.queries import Queries, build_queries
from rec_assets.datasets.rows import load_rows
from rec_assets.preprocessing.fit import transform_rows


def next_day_queries(workflows: Path, joined: Sequence[Path]) -> Queries:
    """Builds one query per user from their first interaction of the period, encoded by the workflow of the as-of day.

    Args:
        workflows: folder of the fitted workflow of the as-of day.
        joined: files of the joined rows of the following days, in order.
    """
    with TemporaryDirectory() as scratch:
        encoded = Path(scratch) / "encoded"
        transform_rows(workflows, [*joined, *history_files(joined)], encoded)
        return build_queries(joined, load_rows(encoded))
