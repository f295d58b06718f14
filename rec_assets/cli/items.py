"""Titles and categories of items, from the catalog of the live bundle."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rec_assets.cli.console import print_table

if TYPE_CHECKING:
    from rec_assets.cli.ids import Ids
    from rec_assets.settings import Settings

FACTS = ("title", "category_l1", "category_l2", "price")


def describe(settings: "Settings", item_ids: Iterable[int], ids: "Ids") -> list[dict[str, Any]]:
    """Returns `item_id`, as the shop writes it, and the `FACTS` of each item.

    Only `item_id` is returned for an item that this machine's live bundle lacks.
    """
    from rec_assets.serving.triton.local_bundle import live_bundle

    bundle, known = live_bundle(settings), dict[int, dict[str, Any]]()
    if bundle is not None:
        catalog = bundle.catalog().select("item_id", *FACTS)
        known = {row["item_id"]: row for row in catalog.iter_rows(named=True)}
    return [known.get(item, {}) | {"item_id": ids.item_text(item)} for item in item_ids]


def print_items(title: str, measure: str, items: Iterable[dict[str, Any]], values: Sequence[str]) -> None:
    """Prints ranked items with their facts and one value each; `measure` is the heading of the values."""
    columns = {"": True, "item": True, "title": False, "category": True, "style": True, "price": True, measure: True}
    rows = (
        (position, item["item_id"], *(_cell(fact, item.get(fact)) for fact in FACTS), value)
        for position, (item, value) in enumerate(zip(items, values, strict=True), start=1)
    )
    print_table(title, columns, rows)


def _cell(fact: str, value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if fact == "price" else str(value)
