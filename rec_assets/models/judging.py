"""The lists that are compared: retrieval, after ranking, popularity, and the best possible where it is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.models.candidates import Candidates
from rec_assets.models.dlrm import RETRIEVAL_SCORE
from rec_assets.models.evaluation import by_segment
from rec_assets.models.queries import Queries
from rec_assets.models.rows import CONTEXT_FEATURES, USER_FEATURES, Arrays, ItemTable
from rec_assets.serving.onnx_model import OnnxModel

Lists = npt.NDArray[np.int32]
DEPTH = 300
USERS_A_BATCH = 64

# Raw user ids, unix seconds and device types, each [q], and a depth; raw item ids [q, depth], best first.
BestRanking = Callable[[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int32], int], Lists]


@dataclass(frozen=True)
class Verdict:
    """One row a method and segment: method, segment, users, then every metric."""

    table: pl.DataFrame

    def value(self, method: str, metric: str, segment: str = "all") -> float:
        """Returns one figure; raises KeyError where the table has no such row."""
        row = self.table.filter((pl.col("method") == method) & (pl.col("segment") == segment))
        if row.is_empty():
            raise KeyError(f"{method} / {segment}")
        return float(row[metric][0])


def judge(queries: Queries, lists: Mapping[str, Lists]) -> Verdict:
    """Scores every method's lists ([q, k], raw ids) on all users, and on those with and without training rows."""
    segments = {"all": np.ones(len(queries), bool), "known": ~queries.cold, "cold": queries.cold}
    tables = [
        by_segment(queries.user_ids, found, queries.relevant, segments).select(pl.lit(method).alias("method"), pl.all())
        for method, found in lists.items()
    ]
    return Verdict(pl.concat(tables))


def retrieval_lists(candidates: Candidates, items: ItemTable) -> Lists:
    """Raw ids in retrieval order."""
    return items.raw_ids[candidates.item_ids]


def reranked_lists(ranker: Path, columns: Arrays, candidates: Candidates, items: ItemTable) -> Lists:
    """Raw ids in the order of the exported ranker, as serving runs it; ties keep the retrieval order."""
    names = (*USER_FEATURES, *CONTEXT_FEATURES)
    model = OnnxModel(ranker, (*names, *items.features, RETRIEVAL_SCORE), 1)
    depth = candidates.item_ids.shape[1]
    scores = []
    for start in range(0, len(candidates.item_ids), USERS_A_BATCH):
        window = slice(start, start + USERS_A_BATCH)
        flat: Arrays = {name: np.repeat(columns[name][window], depth) for name in names}
        flat |= items.at(candidates.item_ids[window].ravel())
        flat[RETRIEVAL_SCORE] = candidates.scores[window].ravel()
        scores.append(model(flat).reshape(-1, depth))
    order = np.argsort(-np.concatenate(scores), axis=1, kind="stable")
    return items.raw_ids[np.take_along_axis(candidates.item_ids, order, axis=1)]


def popularity_list(files: Sequence[Path], users: int) -> Lists:
    """The items most often chosen in some joined days, the same list for everyone [users, ≤ DEPTH]; ties by id."""
    counts = pl.scan_parquet(list(files)).group_by("item_id").len().sort(["len", "item_id"], descending=[True, False])
    best = counts.head(DEPTH).collect()["item_id"].to_numpy()
    return np.tile(best, (users, 1))
