"""`rec load`: measures a running HTTP API under load."""

from typing import Annotated

import typer

from rec_assets.cli.console import load_settings, say
from rec_assets.common.errors import ActionableError


def load(
    address: Annotated[str, typer.Argument(help="Address of the API; empty: the one of the settings.")] = "",
    requests: Annotated[int, typer.Option(min=1, help="Number of requests.")] = 2000,
    callers: Annotated[int, typer.Option(min=1, help="Number of requests at a time.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of users and devices.")] = 0,
) -> None:
    """Request lists of random users of the shop; print requests per second, p50 and p99. Fails if a request fails."""
    import numpy as np
    import polars as pl

    from rec_assets.serving.api.load import send
    from rec_assets.serving.graph.request import DEVICE_TYPES
    from rec_assets.serving.ids import USER, Ids
    from rec_assets.sources.base import RAW_USERS
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    users = pl.read_parquet(open_store(settings).get("raw_users") / RAW_USERS, columns=["user_id"])["user_id"]
    ids, rng = Ids(settings), np.random.default_rng(seed)
    bodies = [
        {"user_id": str(ids.text(USER, user)), "device": device}
        for user, device in zip(
            rng.choice(users.to_numpy(), requests).tolist(),
            rng.choice(list(DEVICE_TYPES), requests).tolist(),
            strict=True,
        )
    ]
    address = address or settings.api_url
    found = send(address, "/recommend", bodies, settings.api_key, callers)
    say(f"{callers} callers of {address}/recommend: {found}")
    if found.failures:
        first = found.failures[0]
        raise ActionableError(
            f"{len(found.failures)} of {requests} requests to {address} failed, the first with {first}",
            "Compare with `GET /health` of the API, and with its log.",
        )
