"""Evaluates buy again and the complement of a cart, beside simple baselines, on the days after an as-of day.

Reads the days of the source and trains nothing. Buy again orders the items of each user's history; the items among them
that the user buys in the next days are relevant. A cart is two thirds of a basket; the items of the rest are relevant,
all of them or only those of other categories than the cart's.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import typer

from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.related.again import SOON_DAYS, Purchases
from rec_assets.datasets.related.baskets import basket_matrix, basket_numbers, popularity
from rec_assets.datasets.related.count_again import count_again
from rec_assets.datasets.related.tables import COMPLEMENT, TOGETHER, RelatedItems
from rec_assets.datasets.related.together import bought_together, complements, completed_by
from rec_assets.evaluation.metrics import score_lists
from rec_assets.features.history import LENGTH, InteractionLog
from rec_assets.inference.lookups import FIRST_KNOWN
from rec_assets.settings import Settings, get_settings
from rec_assets.sources import Codes, open_source, shop_source
from rec_assets.sources.base import midnight
from rec_assets.sources.roles import TARGET, only_roles

DEPTH = 10
METRICS = ("recall@10", "ndcg@10", "hit_rate@10")
TEST_DAYS = 14
HALF_LIFE_DAYS = 28
BINS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # edges of probabilities

Ids = npt.NDArray[np.integer[Any]]
Lists = list[tuple[Ids, Ids]]  # the list and the relevant items of each query


def read(settings: Settings, first: date, last: date) -> tuple[InteractionLog, Ids]:
    """Returns the rows that teach with items numbered from `FIRST_KNOWN`, and the finest category of each number."""
    found = shop_source(settings, Codes.empty()).identifiers() if settings.has_mapping else {}
    source = open_source(settings, Codes.empty().extended(found))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    columns = ["user_id", "item_id", "timestamp"]
    rows = pl.concat(only_roles(source.interactions(day).lazy(), TARGET).select(columns).collect() for day in days)
    items = source.items().select("item_id", "category_l2").unique("item_id").sort("item_id")
    raw, categories = items["item_id"].to_numpy(), items["category_l2"].to_numpy()
    codes = np.searchsorted(raw, rows["item_id"].to_numpy()).astype(np.int32) + FIRST_KNOWN
    log = InteractionLog.of(rows["user_id"].to_numpy(), rows["timestamp"].to_numpy(), codes)
    return log, np.concatenate([np.full(FIRST_KNOWN, -1), categories])


def row(name: str, lists: Lists) -> str:
    """Returns a row of the Markdown table with the averages of `METRICS` over queries."""
    numbers = np.arange(len(lists), dtype=np.int32)
    found = np.full((len(lists), DEPTH), -1, np.int64)
    for number, (listed, _) in enumerate(lists):
        found[number, : len(listed[:DEPTH])] = listed[:DEPTH]
    owners = np.repeat(numbers, [len(relevant) for _, relevant in lists])
    relevant = pl.DataFrame({"user_id": owners, "item_id": np.concatenate([one for _, one in lists]).astype(np.int64)})
    scores = score_lists(numbers, found, relevant, METRICS)
    return f"| {name} | {' | '.join(f'{value:.3f}' for value in scores.values())} |"


def newest(log: InteractionLog) -> InteractionLog:
    """Returns the rows of each user that serving stores."""
    users = log.user_ids
    return log.at(np.arange(len(users)) - np.searchsorted(users, users, side="right") >= -LENGTH)


def evaluate_again(train: InteractionLog, test: InteractionLog, size: int, now: int) -> None:
    """Prints the table of buy again for the next `SOON_DAYS` and `TEST_DAYS` days."""
    history = newest(train)
    pairs = Purchases.of(history.user_ids, history.item_ids, history.timestamps)
    again = count_again(train, size).scores(pairs, now)
    age = (now - pairs.last) / DAY_SECONDS
    methods = {
        "most frequent": (pairs.last, pairs.days),
        "most recent": (pairs.days, pairs.last),
        "frequent and recent": (pairs.last, pairs.days * np.exp2(-age / HALF_LIFE_DAYS)),
        "**buy again**": (pairs.last, again),
    }
    for days in (SOON_DAYS, TEST_DAYS):
        soon = test.until(now + days * DAY_SECONDS)
        is_bought = np.isin(pairs.owners * size + pairs.item_ids, soon.user_ids * size + soon.item_ids)
        users = np.unique(pairs.owners[is_bought])
        print(f"\n| own items bought in {days} days, {len(users)} users | Recall@10 | NDCG@10 | hit rate@10 |")
        print("| --- | ---: | ---: | ---: |")
        for name, (ties, scores) in methods.items():
            order = np.lexsort((pairs.item_ids, -ties, -scores, pairs.owners))
            begins, ends = (np.searchsorted(pairs.owners, users, side=side) for side in ("left", "right"))
            items, bought = pairs.item_ids[order], is_bought[order]
            own = [slice(*edges) for edges in zip(begins, ends, strict=True)]
            print(row(name, [(items[one], items[one][bought[one]]) for one in own]))
        if days == SOON_DAYS:
            print(f"\nExpected purchases {again.sum():.0f}, observed {is_bought.sum()}")
            print_calibration(again, is_bought)


def print_calibration(chances: npt.NDArray[np.float64], is_bought: npt.NDArray[np.bool_]) -> None:
    """Prints expected and observed purchases of pairs [p] by their probability."""
    bins = np.searchsorted(BINS, chances, side="right")
    print("\n| probability | pairs | expected | observed |")
    print("| --- | ---: | ---: | ---: |")
    for number, (low, high) in enumerate(zip((0, *BINS), (*BINS, 1), strict=True)):
        if (mask := bins == number).any():
            rates = f"{chances[mask].mean():.3f} | {is_bought[mask].mean():.3f}"
            print(f"| {low} to {high} | {mask.sum()} | {rates} |")


def carts(test: InteractionLog, known: npt.NDArray[np.bool_], seed: int) -> list[tuple[Ids, Ids]]:
    """Returns the cart and the rest of each basket with at least three known items, in random order."""
    rng, numbers, found = np.random.default_rng(seed), basket_numbers(test), []
    for members in np.split(test.item_ids, np.flatnonzero(np.diff(numbers)) + 1):
        items = rng.permutation(np.unique(members[known[members]]))
        if len(items) >= 3:
            found.append((items[len(items) // 3 :], items[: len(items) // 3]))
    return [found[number] for number in rng.permutation(len(found))]


def evaluate_complement(train: InteractionLog, test: InteractionLog, categories: Ids, most: int, seed: int) -> None:
    """Prints the tables of carts for the rest of a basket, and for its items of other categories."""
    size = len(categories)
    baskets, counts = basket_matrix(train, size), popularity(train, size)
    tables = RelatedItems({TOGETHER: bought_together(baskets), COMPLEMENT: complements(baskets, categories)})
    columns = baskets.tocsc()
    popular = np.argsort(-counts, kind="stable")

    def in_other_categories(listed: Ids, cart: Ids) -> Ids:
        return listed[~np.isin(categories[listed], categories[cart])]

    methods: dict[str, Callable[[Ids], Ids]] = {
        "popularity": lambda cart: popular[: DEPTH + 200][~np.isin(popular[: DEPTH + 200], cart)],
        "co-count": lambda cart: completed_by(columns, cart, DEPTH),
        "co-count, other categories": lambda cart: in_other_categories(completed_by(columns, cart, 500), cart),
        "bought together": lambda cart: tables.of_basket(TOGETHER, cart)[0],
        "**complement**": lambda cart: tables.complement_of(cart, categories)[0],
    }
    drawn = carts(test, counts > 0, seed)
    parts = {
        "all": drawn[:most],
        "other categories": [(cart, rest) for cart, others in drawn if len(rest := in_other_categories(others, cart))][
            :most
        ],
    }
    for part, queries in parts.items():
        print(f"\n| rest of a basket, {part}, {len(queries)} carts | Recall@10 | NDCG@10 | hit rate@10 |")
        print("| --- | ---: | ---: | ---: |")
        for name, list_of in methods.items():
            print(row(name, [(list_of(cart), rest) for cart, rest in queries]))


def main(
    day: Annotated[str, typer.Argument(help="The as-of day. Default: the day of the first full training.")] = "",
    most: Annotated[int, typer.Option(help="Largest number of carts.")] = 3_000,
) -> None:
    """Prints the evaluation as Markdown for docs/quality.md."""
    settings = get_settings()
    last = date.fromisoformat(day) if day else settings.as_of
    log, categories = read(settings, settings.start_date, last + timedelta(days=TEST_DAYS))
    now = midnight(last + timedelta(days=1))
    train, test = log.until(now), log.at(log.timestamps >= now)
    print(f"{len(train.keys)} rows up to {last}, {len(test.keys)} rows in the {TEST_DAYS} days after it")
    evaluate_again(train, test, len(categories), now)
    evaluate_complement(train, test, categories, most, settings.seed)


if __name__ == "__main__":
    typer.run(main)
