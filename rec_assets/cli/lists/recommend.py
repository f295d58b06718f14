"""`rec recommend`: prints a user's list from the live model."""

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from rec_assets.cli.console import load_settings
from rec_assets.common.errors import ActionableError


class Device(StrEnum):
    """The names of `serving.graph.request.DEVICE_TYPES`."""

    MOBILE = "mobile"
    DESKTOP = "desktop"
    TABLET = "tablet"


def utc_time(text: str) -> datetime:
    """Returns an ISO 8601 time, in UTC if the text has no zone; raises BadParameter."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"Invalid ISO 8601 time '{text}'. Write it as 2025-03-14T18:30 (UTC).") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def recent_item(text: str) -> tuple[str, datetime | None]:
    """Returns item id and time of `ITEM` or `ITEM@ISO-TIME`; raises BadParameter."""
    item, at, time = text.rpartition("@")
    return (item, utc_time(time)) if at else (time, None)


def recommend(
    user: Annotated[str, typer.Argument(help="User id; an unknown id gets the list of an anonymous user.")],
    device: Annotated[Device | None, typer.Option(help="Device of the user.")] = None,
    at: Annotated[
        datetime | None, typer.Option(parser=utc_time, metavar="ISO-TIME", help="Time in UTC; default: now.")
    ] = None,
    recent: Annotated[
        list[Any] | None,
        typer.Option(
            parser=recent_item,
            metavar="ITEM[@ISO-TIME]",
            help="An item of the user's session, as often as needed; default time: the second before the list.",
        ),
    ] = None,
    category: Annotated[list[str] | None, typer.Option("--category-l1", help="Only items of this category.")] = None,
    not_category: Annotated[list[str] | None, typer.Option("--not-category-l1", help="No item of it.")] = None,
    fine: Annotated[list[str] | None, typer.Option("--category-l2", help="Only items of this fine category.")] = None,
    not_fine: Annotated[list[str] | None, typer.Option("--not-category-l2", help="No item of it.")] = None,
    brand: Annotated[list[str] | None, typer.Option("--brand", help="Only items of this brand.")] = None,
    not_brand: Annotated[list[str] | None, typer.Option("--not-brand", help="No item of it.")] = None,
    item: Annotated[list[str] | None, typer.Option("--item", help="Only these items.")] = None,
    not_item: Annotated[list[str] | None, typer.Option("--not-item", help="None of these items.")] = None,
    min_price: Annotated[float | None, typer.Option(min=0, help="Lowest price.")] = None,
    max_price: Annotated[float | None, typer.Option(min=0, help="Highest price.")] = None,
    new_to_user: Annotated[bool, typer.Option("--new-to-user", help="Only items outside the user's history.")] = False,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of items.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")] = False,
) -> None:
    """Print the items that the live model recommends to a user."""
    from rec_assets.cli.items import describe, print_items
    from rec_assets.serving.client import Client
    from rec_assets.serving.graph.errors import RequestError
    from rec_assets.serving.graph.filters import made
    from rec_assets.serving.ids import USER, Id
    from rec_assets.serving.triton.own_server import require_own_triton

    def as_ids(given: list[str] | None) -> list[Id] | None:
        return [*given] if given else None

    settings = load_settings()
    require_own_triton(settings)
    client = Client(settings)
    try:
        number = client.ids.number(USER, user)
        before = (at or datetime.now(UTC)) - timedelta(seconds=1)
        session = [(item, time or before) for item, time in recent or ()]
        filters = made(
            items=as_ids(item),
            not_items=as_ids(not_item) or [],
            category_l1=as_ids(category),
            not_category_l1=as_ids(not_category) or [],
            category_l2=as_ids(fine),
            not_category_l2=as_ids(not_fine) or [],
            brand=as_ids(brand),
            not_brand=as_ids(not_brand) or [],
            min_price=min_price,
            max_price=max_price,
            new_to_user=new_to_user,
        )
        answer = client.recommend(number, device.value if device else None, at, k, recent=session, filters=filters)
    except RequestError as error:
        raise ActionableError(str(error), "See rec recommend --help.") from error
    items = describe(settings, answer.item_ids.tolist(), client.ids)
    if as_json:
        scored = [item | {"score": score} for item, (_, score) in zip(items, answer, strict=True)]
        facts = {
            "user_id": client.ids.text(USER, number),
            "bundle_id": answer.bundle_id,
            "answer_id": answer.answer_id,
            "milliseconds": round(answer.milliseconds, 2),
        }
        typer.echo(json.dumps(facts | {"items": scored}))
        return
    if not items:
        typer.echo("The list is empty: no item that the user may see satisfies the options. Leave some out.")
        return
    title = f"For user {user}, bundle {answer.bundle_id}, in {answer.milliseconds:.1f} ms"
    print_items(title, "score", items, [f"{score:.4f}" for _, score in answer])
    if answer.answer_id:
        typer.echo(f"Why: rec explain {answer.answer_id}")
