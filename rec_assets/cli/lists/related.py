"""`rec similar`, `rec together` and `rec buy-again`: print the items around an item, a basket or a history."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rec_assets.cli.console import load_settings
from rec_assets.cli.lists.recommend import utc_time
from rec_assets.common.errors import ActionableError

if TYPE_CHECKING:
    from rec_assets.serving.client import Client
    from rec_assets.serving.recommendations import Recommendations

Length = Annotated[int, typer.Option("-k", min=1, max=50, help="Number of items.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


def similar(item: Annotated[str, typer.Argument(help="Item id.")], k: Length = 10, as_json: AsJson = False) -> None:
    """Print the items most similar to an item."""
    _print(f"Similar to {item}", lambda client: client.similar(item, k), as_json)


def together(
    items: Annotated[list[str], typer.Argument(help="Item ids of a basket.")],
    complement: Annotated[
        bool, typer.Option("--complement", help="Only items that complete the basket, no substitutes.")
    ] = False,
    k: Length = 10,
    as_json: AsJson = False,
) -> None:
    """Print the items most often bought together with the items of a basket."""
    title = f"{'Completes' if complement else 'Bought with'} {', '.join(items)}"
    _print(title, lambda client: client.bought_together(items, k, complement=complement), as_json)


def buy_again(
    user: Annotated[str, typer.Argument(help="User id.")],
    at: Annotated[
        datetime | None, typer.Option(parser=utc_time, metavar="ISO-TIME", help="Time in UTC; default: now.")
    ] = None,
    k: Length = 10,
    as_json: AsJson = False,
) -> None:
    """Print the items that a user is due to buy again, with their probabilities for the next seven days."""
    _print(f"Due for user {user}", lambda client: client.buy_again(user, k, at), as_json)


def _print(title: str, request: "Callable[[Client], Recommendations]", as_json: bool) -> None:
    from rec_assets.cli.items import describe, print_items
    from rec_assets.serving.client import Client
    from rec_assets.serving.graph.errors import RequestError
    from rec_assets.serving.triton.own_server import require_own_triton

    settings = load_settings()
    require_own_triton(settings)
    client = Client(settings)
    try:
        answer = request(client)
    except RequestError as error:
        raise ActionableError(
            str(error), "See rec similar --help, rec together --help and rec buy-again --help."
        ) from error
    items = describe(settings, answer.item_ids.tolist(), client.ids)
    if as_json:
        scored = [item | {"score": score} for item, (_, score) in zip(items, answer, strict=True)]
        reason = {"reason": answer.reason} if answer.reason else {}
        typer.echo(json.dumps({"bundle_id": answer.bundle_id, "items": scored, **reason}))
        return
    if answer.reason:
        typer.echo(f"No items: {answer.reason}")
        return
    print_items(f"{title}, bundle {answer.bundle_id}", "score", items, [f"{score:.4f}" for _, score in answer])
