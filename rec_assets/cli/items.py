"""Titles and categories of items, from the catalog of the live bundle."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rec_assets.cli.console import print_table

if TYPE_CHECKING:
    from rec_assets.bundles.bundle import Bundle
    from rec_assets.serving.ids import Ids
    from rec_assets.settings import Settings

HEADINGS = {"title": "title", "category_l1": "category", "category_l2": "style", "price": "price"}
FACTS = tuple(HEADINGS)


def describe(
    settings: "Settings", item_ids: Iterable[int], ids: "Ids", bundle: "Bundle | None" = None
) -> list[dict[str, Any]]:
    """Returns `item_id` and the `FACTS` of each item, ids and categories as the shop writes them, None if unknown.

    Only `item_id` is returned for an item that the bundle lacks; by default, this machine's live bundle.
    """
    from rec_assets.common.decimals import decimal
    from rec_assets.serving.ids import CATEGORY_1, ITEM
    from rec_assets.serving.triton.local_bundle import live_bundle
    from rec_assets.sources.shop.codes import CATEGORY_2, UNKNOWN

    bundle, known = bundle or live_bundle(settings), dict[int, dict[str, Any]]()
    if bundle is not None:
        catalog = bundle.catalog().select("item_id", *FACTS)
        known = {row["item_id"]: row for row in catalog.iter_rows(named=True)}
    found = []
    for item in item_ids:
        facts = dict(known.get(item, {}))
        for kind in (CATEGORY_1, CATEGORY_2):
            if kind in facts:
                facts[kind] = None if facts[kind] == UNKNOWN else ids.text(kind, facts[kind])
        if facts.get("price") is not None:
            facts["price"] = decimal(facts["price"])
        found.append(facts | {"item_id": ids.text(ITEM, item)})
    return found


def print_items(
    title: str,
    measure: str,
    items: Sequence[dict[str, Any]],
    values: Sequence[str],
    reasons: Sequence[str] | None = None,
) -> None:
    """Prints ranked items with their facts and one value each; `measure` is the heading of the values.

    A shop without categories or prices has no columns of them. `reasons` adds a column with a line for each item.
    """
    facts = [fact for fact in FACTS if any(item.get(fact) is not None for item in items)]
    columns = {"": True, "item": True, **{HEADINGS[fact]: fact == "price" for fact in facts}, measure: True}
    columns |= {} if reasons is None else {"why": False}
    more = [[one] for one in reasons] if reasons is not None else [[]] * len(items)
    rows = (
        (position, item["item_id"], *(_cell(fact, item.get(fact)) for fact in facts), value, *why)
        for position, (item, value, why) in enumerate(zip(items, values, more, strict=True), start=1)
    )
    print_table(title, columns, rows)


def _cell(fact: str, value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if fact == "price" else str(value)
