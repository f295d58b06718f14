"""The days after an as-of day, as questions for its models: nothing of those days is known to who answers."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rec_assets.datasets.queries import Queries, build_queries
from rec_assets.datasets.rows import load_rows
from rec_assets.preprocessing.fit import transform_rows


def next_day_queries(workflow: Path, joined: Sequence[Path]) -> Queries:
    """One query a user at his first arrival of the period, encoded by the workflow of the as-of day.

    Args:
        workflow: the saved full workflow.
        joined: the joined rows of the days that follow, in order.
    """
    with TemporaryDirectory() as scratch:
        encoded = Path(scratch) / "encoded"
        transform_rows(workflow, joined, encoded)
        return build_queries(joined, load_rows(encoded))
