"""Measures what the rules of a shop cost a request, with the same stages without rules side by side.

    python -m benchmarks.rules [--candidates 300]

A request has candidates of a catalog with categories and brands; a list has 10 items. The rules block items and a
category, boost and bury categories, weigh by stock, pin two items, and cap each category and each brand. The steps are
those of `filter_seen_items` that read rules and of `softmax_sampling`. Requests with and without rules take turns.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from rec_assets.features.store.item_attributes import ItemAttributes
from rec_assets.inference.lookups import CATEGORICALS, Lookups
from rec_assets.serving.rules.active import ActiveRules, ItemGroups
from rec_assets.serving.rules.rules import Rules
from rec_assets.serving.stages.ordering import Ordering
from rec_assets.serving.stages.seen import with_pins

REQUESTS, LENGTH, WARM_UP = 2_000, 10, 100
CATEGORIES, STYLES = 20, 100
KINDS: Mapping[str, Mapping[str, Any]] = {
    "block": {"block": [{"name": "a", "items": list(range(100)), "category_l2": [7]}]},
    "boost and bury": {
        "boost": [{"name": "b", "factor": 1.5, "category_l1": [1, 2]}],
        "bury": [{"name": "c", "factor": 0.5, "category_l1": [3]}],
    },
    "weigh": {"weigh": [{"name": "f", "by": "stock", "values": [0, 10], "factors": [0.5, 1]}]},
    "pin": {"pin": [{"name": f"d{n}", "item": 200 + n, "position": n} for n in (1, 4)]},
    "cap": {"cap": [{"name": "e", "at_most": 3, "each": "category_l1"}]},
    "cap by brand": {"cap": [{"name": "g", "at_most": 2, "each": "brand"}]},
}


def _all() -> dict[str, list[Any]]:
    """Returns the rules of all kinds together."""
    found: dict[str, list[Any]] = {}
    for kind, rules in (one for content in KINDS.values() for one in content.items()):
        found.setdefault(kind, []).extend(rules)
    return found


def _same(rules: ActiveRules | None) -> ActiveRules | None:
    return rules


def main(
    candidates: Annotated[int, typer.Option(min=LENGTH, help="Candidates of a request.")] = 300,
    items: Annotated[int, typer.Option(min=1_000, help="Items of the catalog.")] = 100_000,
) -> None:
    """Prints one row for each kind of rule and one for all."""
    rng = np.random.default_rng(0)
    ids = np.arange(items, dtype=np.int32)
    categories = {"category_l1": ids % CATEGORIES, "category_l2": ids % STYLES}
    vocabularies = {name: np.arange(items if name == "item_id" else 2, dtype=np.int64) for name in CATEGORICALS}
    lookups = Lookups(vocabularies, (), 0.0, 0.0, 1.0, 0.0, 1.0)
    stock = (ids % STYLES).astype(np.float32)
    groups = ItemGroups.of(ids, categories, lookups, ItemAttributes(ids, ids % STYLES, stock, stock))
    requests = [rng.choice(ids, candidates, replace=False) for _ in range(REQUESTS)]
    scores = rng.random((REQUESTS, candidates), np.float32)

    def answer(rules: ActiveRules | None, ordering: Ordering, number: int) -> float:
        """Returns the microseconds of the steps of one request."""
        raw, score, splits = requests[number], scores[number], np.array([0, candidates])
        start = time.perf_counter()
        if rules is not None:
            if rules.pins:
                raw, _, splits = with_pins(rules, raw, score, splits, np.ones(1, np.bool_))
            kept = ~rules.blocked.has(raw)
            raw = raw[kept]
        spent = time.perf_counter() - start
        codes = lookups.encode("item_id", raw)  # outside the rules
        score = np.resize(score, len(codes))
        start = time.perf_counter()
        ordering({"item_id": codes, "score": score})
        return 1e6 * (spent + time.perf_counter() - start)

    shown = Table("rules", "without, µs", "with, µs", "cost, µs")
    for name, content in {**KINDS, "all": _all()}.items():
        active = ActiveRules.of(Rules[int].model_validate(content), groups, datetime.now(UTC))
        plain, ruled = Ordering(LENGTH), Ordering(LENGTH, rules=partial(_same, active))
        times = np.array([[answer(None, plain, n), answer(active, ruled, n)] for n in range(REQUESTS)])[WARM_UP:]
        without, with_rules = np.median(times, axis=0)
        shown.add_row(name, f"{without:.0f}", f"{with_rules:.0f}", f"{np.median(times[:, 1] - times[:, 0]):.0f}")
    Console().print(shown)
    Console().print(
        f"{candidates} candidates of {items:,} items, median of {REQUESTS - WARM_UP:,} requests; {machine()}"
    )


if __name__ == "__main__":
    typer.run(main)
