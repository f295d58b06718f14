"""Titles and categories of items, from the catalog of the live bundle."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rec_assets.cli.console import print_table

if TYPE_CHECKING:
    from rec_assets.serving.ids import Ids
    from rec_assets.settings import Settings

FACTS = ("title", "category_l1", "category_l2", "price")


def describe(settings: "Settings", item_ids: Iterable[int], ids: "Ids") -> list[dict[str, Any]]:
    """Returns `item_id` and the `FACTS` of each item, ids and categories as the shop writes them.

    Only `item_id` is returned for an item that this machine's live bundle lacks.
    """
    from rec_assets.serving.ids import CATEGORY_1, ITEM
    from rec_assets.serving.triton.local_bundle import live_bundle
    from rec_assets.sources.shop.codes import CATEGORY_2

    bundle, known = live_bundle(settings), dict[int, dict[str, Any]]()
    if bundle is not None:
        catalog = bundle.catalog().select("item_id", *FACTS)
        known = {row["item_id"]: row for row in catalog.iter_rows(named=True)}
    found = []
    for item in item_ids:
        facts = dict(known.get(item, {}))
        facts |= {kind: ids.text(kind, facts[kind]) for kind in (CATEGORY_1, CATEGORY_2) if kind in facts}
        found.append(facts | {"item_id": ids.text(ITEM, item)})
    return found


def print_items(title: str, measure: str, items: Iterable[dict[str, Any]], values: Sequence[str]) -> None:
    """Prints ranked items with their facts and one value each; `measure` is the heading of the values."""
    columns = {"": True, "item": True, "title": False, "category": False, "style": False, "price": True, measure: True}
    rows = (
        (position, item["item_id"], *(_cell(fact, item.get(fact)) for fact in FACTS), value)
        for position, (item, value) in enumerate(zip(items, values, strict=True), start=1)
    )
    print_table(title, columns, rows)


def _cell(fact: str, value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if fact == "price" else str(value)
