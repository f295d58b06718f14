"""`rec explain`: shows an answer again, with the reasons for its items."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rec_assets.cli.console import load_settings, say

if TYPE_CHECKING:
    from rec_assets.bundles.bundle import Bundle
    from rec_assets.settings import Settings

EQUAL = "equal bit for bit"


def explain(
    answer_id: Annotated[str, typer.Argument(metavar="ANSWER", help="Id of an answer, as `rec recommend` shows it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")] = False,
) -> None:
    """Make an answer again from its bundle and its recorded inputs, and print its items with the reasons."""
    from datetime import UTC, datetime

    from rec_assets.cli.items import describe, print_items
    from rec_assets.common.decimals import decimal
    from rec_assets.realtime.answers.find import find_answer
    from rec_assets.serving.answers.replay import Replayer
    from rec_assets.serving.graph.request import DEVICE_TYPES
    from rec_assets.serving.ids import USER, Ids
    from rec_assets.serving.rule_versions import ShopRules
    from rec_assets.storefront.explain import reasons_of

    settings = load_settings()
    answer, ids = find_answer(settings, answer_id.strip().lower()), Ids(settings)
    bundle = _bundle(settings, answer)
    replay = Replayer(bundle, settings, ShopRules(settings, ids).find).replay(answer)
    shown, scores = answer["item_ids"], answer["scores"]
    reasons = reasons_of(bundle, replay.tensors, replay.item_ids)
    texts = [reasons[item].text if item in reasons else "" for item in shown]
    items = describe(settings, shown, ids, bundle)
    shown_at = datetime.fromtimestamp(answer["at"] / 1000, UTC)
    facts: dict[str, Any] = {
        "answer_id": answer["answer_id"],
        "shown at": f"{shown_at:%Y-%m-%d %H:%M:%S} UTC",
        "user_id": ids.text(USER, answer["user_id"]),
        "device": {number: name for name, number in DEVICE_TYPES.items()}.get(answer["device_type"], "unknown"),
        "time of the request": f"{datetime.fromtimestamp(answer['timestamp'], UTC):%Y-%m-%d %H:%M:%S} UTC",
        "bundle_id": answer["bundle_id"],
        "rules": answer["rules_version"] or "none",
        "filters": answer["filters"] or "none",
        "order": "sampled" if answer["sampled"] else "by score",
    }
    if as_json:
        rows = zip(items, scores, texts, strict=True)
        made = [item | {"score": decimal(score), "why": text} for item, score, text in rows]
        typer.echo(json.dumps(facts | {"equal": replay.is_equal, "items": made}))
    else:
        for name, value in facts.items():
            say(f"{name}: {value}")
        print_items("The list", "score", items, [f"{score:.4f}" for score in scores], texts)
        say(f"Made again: {EQUAL if replay.is_equal else _difference(answer, replay.item_ids.tolist())}.")
    if not replay.is_equal:
        raise typer.Exit(1)


def _bundle(settings: "Settings", answer: dict[str, Any]) -> "Bundle":
    """Opens the bundle of an answer; raises ActionableError if it is not stored any more."""
    from rec_assets.bundles.bundle import Bundle
    from rec_assets.common.errors import ActionableError
    from rec_assets.serving.promotion.catalog import known_bundles
    from rec_assets.storage.artifacts.stores import open_store

    store, wanted = open_store(settings), answer["bundle_id"]
    candidate = next((one for one in known_bundles(store, settings) if one.bundle_id == wanted), None)
    if candidate is None:
        raise ActionableError(
            f"Bundle {wanted} of this answer is not stored any more, so its list cannot be made again.",
            f"The list had the items {', '.join(map(str, answer['item_ids']))}. A larger REC_KEEP_DAYS keeps bundles.",
        )
    return Bundle.open(candidate.fetch(store))


def _difference(answer: dict[str, Any], item_ids: list[int]) -> str:
    if answer["item_ids"] != item_ids:
        return f"another list, {', '.join(map(str, item_ids))}"
    return "the same items, with other scores. Another processor, or other versions of the libraries, round otherwise"
