"""`rec similar` and `rec together`: print the items related to an item or to a basket."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from rec_assets.cli.console import load_settings
from rec_assets.common.errors import ActionableError

if TYPE_CHECKING:
    from rec_assets.serving.client import Client, Recommendations

Length = Annotated[int, typer.Option("-k", min=1, max=50, help="Number of items.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


def similar(item: Annotated[str, typer.Argument(help="Item id.")], k: Length = 10, as_json: AsJson = False) -> None:
    """Print the items most similar to an item."""
    _print(f"Similar to {item}", lambda client: client.similar(item, k), as_json)


def together(
    items: Annotated[list[str], typer.Argument(help="Item ids of a basket.")], k: Length = 10, as_json: AsJson = False
) -> None:
    """Print the items most often bought together with the items of a basket."""
    _print(f"Bought with {', '.join(items)}", lambda client: client.bought_together(items, k), as_json)


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
        raise ActionableError(str(error), "See rec similar --help and rec together --help.") from error
    items = describe(settings, answer.item_ids.tolist(), client.ids)
    if as_json:
        scored = [item | {"score": score} for item, (_, score) in zip(items, answer, strict=True)]
        typer.echo(json.dumps({"bundle_id": answer.bundle_id, "items": scored}))
        return
    print_items(f"{title}, bundle {answer.bundle_id}", "score", items, [f"{score:.4f}" for _, score in answer])
