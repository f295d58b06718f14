"""Lists of all users by a bundle, in this process and in parts: for e-mail, and for shops without online requests."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import polars as pl

from rec_assets.bundles.bundle import Bundle
from rec_assets.evaluation.bundles.replay import AS_BUNDLED, PastRequests, answers
from rec_assets.features.history import InteractionLog
from rec_assets.features.store.item_attributes import NO_ATTRIBUTES, ItemAttributes
from rec_assets.realtime.stores.recent_items import NO_ITEM
from rec_assets.serving.graph.request import UNKNOWN
from rec_assets.serving.rules.active import ActiveRules
from rec_assets.serving.rules.rules import Rules
from rec_assets.serving.stages.followed.rules import item_groups
from rec_assets.settings import Settings
from rec_assets.sources.shop.codes import ITEM, USER, Codes

LENGTH = 20  # items of a list
USERS_OF_A_PART = 10_000


def lists_of_users(
    bundle: Bundle,
    users: pl.DataFrame,
    log: InteractionLog,
    at: int,
    codes: Codes,
    settings: Settings,
    rules: Rules[int],
    attributes: ItemAttributes = NO_ATTRIBUTES,
) -> Iterator[pl.DataFrame]:
    """Yields the lists of some users at a time, in the order of the users.

    Seen items are not left out, because purchases are worth repeating in a mail; withdrawn items are.

    Args:
        bundle: the bundle that makes the lists.
        users: user_id, age, gender and top_category of all users, each once.
        log: interactions with raw item ids; a history ends before `at`.
        at: time of the lists, unix seconds.
        codes: the shop's own ids.
        settings: source of `retrieval_topk`.
        rules: the rules of the shop, as of the current time.
        attributes: attributes of the items, for rules.

    Yields:
        A row for each user and item: `user` and `item` as the shop writes them, `user_id` and `item_id` of the models,
        `rank` from 1, `score` (the ranker's probability) and `bundle_id`.
    """
    groups, now = item_groups(bundle, attributes), datetime.now(UTC)
    active = ActiveRules.of(rules, groups, now) if any(rules.all()) else None
    asked = users.with_columns(device_type=pl.lit(UNKNOWN), timestamp=pl.lit(at))
    for start in range(0, users.height, USERS_OF_A_PART):
        part = asked.slice(start, USERS_OF_A_PART)
        requests = PastRequests.of(part)
        lists, scores = answers(bundle, requests, log, AS_BUNDLED, LENGTH, settings, lambda: active)
        rows, places = np.nonzero(lists != NO_ITEM)
        frame = pl.DataFrame(
            {
                "user_id": part["user_id"].to_numpy()[rows].astype(np.int32),
                "rank": (places + 1).astype(np.int32),
                "item_id": lists[rows, places],
                "score": scores[rows, places],
            }
        )
        named = _named(_named(frame, codes, USER), codes, ITEM)
        yield named.select("user", "item", *frame.columns, bundle_id=pl.lit(bundle.bundle_id))


def _named(frame: pl.DataFrame, codes: Codes, kind: str) -> pl.DataFrame:
    """Adds the ids of a kind as the shop writes them: its text, or the number of the models if it has none."""
    texts = codes.table.filter(pl.col("kind") == kind, pl.col("value").is_not_null())
    numbers = pl.col(f"{kind}_id")
    known = frame.join(
        texts.select(pl.col("code").alias(f"{kind}_id"), pl.col("value").alias(kind)),
        on=f"{kind}_id",
        how="left",
        maintain_order="left",
    )
    return known.with_columns(pl.coalesce(kind, numbers.cast(pl.String)).alias(kind))
