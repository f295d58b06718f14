"""Evaluates similar items and items bought together, beside simple baselines, on the days after an as-of day.

A query is one random item of a basket, or of a user's following days. All other items of it are relevant.
"""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import typer

from rec_assets.datasets.evaluation_set import EvaluationSet
from rec_assets.datasets.neighbors.item_neighbors import full_log
from rec_assets.datasets.related.baskets import basket_matrix, basket_numbers, popularity
from rec_assets.datasets.related.build import related_items
from rec_assets.datasets.related.similar import same_category
from rec_assets.datasets.related.tables import SIMILAR, TOGETHER
from rec_assets.datasets.related.together import together_with
from rec_assets.evaluation.metrics import score_lists
from rec_assets.features.history import InteractionLog
from rec_assets.inference.lookups import FIRST_KNOWN
from rec_assets.settings import get_settings
from rec_assets.storage.artifacts.stores import open_store

DEPTH = 10
METRICS = ("recall@10", "ndcg@10", "hit_rate@10")

Ids = npt.NDArray[np.integer[Any]]
ListOf = Callable[[int], Ids]


def queries_of(items: Ids, groups: Ids, seed: int) -> list[tuple[int, Ids]]:
    """Returns a random item of each group [n] of at least two distinct items, and the other items of the group."""
    rng, found = np.random.default_rng(seed), []
    order = np.lexsort((items, groups))
    for members in np.split(items[order], np.flatnonzero(np.diff(groups[order])) + 1):
        distinct = np.unique(members)
        if len(distinct) > 1:
            item = rng.choice(distinct)
            found.append((int(item), distinct[distinct != item]))
    return found


def score(queries: list[tuple[int, Ids]], list_of: ListOf) -> dict[str, float]:
    """Returns the averages of `METRICS` over queries."""
    numbers = np.arange(len(queries), dtype=np.int32)
    lists = np.full((len(queries), DEPTH), -1, np.int64)
    for row, (item, _) in enumerate(queries):
        listed = list_of(item)[:DEPTH]
        lists[row, : len(listed)] = listed
    others = [relevant for _, relevant in queries]
    owners = np.repeat(numbers, [len(one) for one in others])
    relevant = pl.DataFrame({"user_id": owners, "item_id": np.concatenate(others).astype(np.int64)})
    return score_lists(numbers, lists, relevant, METRICS)


def main(
    day: Annotated[str, typer.Argument(help="The as-of day. Default: the day of the first full training.")] = "",
    most: Annotated[int, typer.Option(help="Largest number of queries of one kind.")] = 3_000,
) -> None:
    """Prints the evaluation as Markdown for docs/quality.md."""
    settings = get_settings()
    store, day = open_store(settings), day or settings.as_of.isoformat()
    folder = store.get("training_set", day).path
    data = EvaluationSet.load(folder)
    size, log = len(data.items.raw_ids), full_log(folder)
    days = [d for d in store.partitions("joined_interactions") if d > day]
    later = [store.get("joined_interactions", d) / "rows.parquet" for d in days]
    rows = pl.read_parquet(later, columns=["user_id", "timestamp", "item_id"])
    codes = data.items.encode(rows["item_id"].to_numpy())
    known = codes >= FIRST_KNOWN
    test = InteractionLog.of(rows["user_id"].to_numpy()[known], rows["timestamp"].to_numpy()[known], codes[known])

    tables = related_items(store.get("faiss_index", day).path, log, data.items.facts.categories.l2).tables
    baskets, counts, categories = basket_matrix(log, size), popularity(log, size), data.items.facts.categories
    popular = np.argsort(-counts, kind="stable")[: DEPTH + 1]
    methods: dict[str, ListOf] = {
        "popularity": lambda item: popular[popular != item],
        "popularity in the category": lambda item: same_category(categories.l2, counts, item, DEPTH),
        "co-count of baskets": lambda item: together_with(baskets, item, DEPTH),
        "similar items": lambda item: tables[SIMILAR].item_ids[item][tables[SIMILAR].weights[item] > 0],
        "bought together": lambda item: tables[TOGETHER].item_ids[item][tables[TOGETHER].weights[item] > 0],
    }
    rng = np.random.default_rng(settings.seed)
    print(f"{len(later)} days after {day}, {len(rows)} rows, {int((~known).sum())} of them of unknown items")
    for kind, groups in (("a basket", basket_numbers(test)), ("a user", test.user_ids)):
        queries = queries_of(test.item_ids, groups, settings.seed)
        drawn = rng.permutation(len(queries))[:most]
        queries = [queries[number] for number in drawn]
        print(f"\n| other items of {kind}, {len(queries)} queries | Recall@10 | NDCG@10 | hit rate@10 |")
        print("| --- | ---: | ---: | ---: |")
        for name, list_of in methods.items():
            print(f"| {name} | {' | '.join(f'{value:.3f}' for value in score(queries, list_of).values())} |")
    catalog = data.items.catalog
    new = catalog[counts[catalog] == 0]
    have = {kind: float((table.weights[catalog, 0] > 0).mean()) for kind, table in tables.items()}
    of_new = float((tables[SIMILAR].weights[new, 0] > 0).mean()) if len(new) else float("nan")
    print(f"\nItems with a list: {have}; of {len(new)} items without rows, similar items: {of_new:.3f}")


if __name__ == "__main__":
    typer.run(main)
