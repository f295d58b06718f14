"""Replays past requests on the stages of a bundle, with features as of the request in place of the stores."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.history import InteractionLog
from rec_assets.features.store.online import OnlineRows
from rec_assets.features.store.views import ITEM_FEATURES
from rec_assets.realtime.stores.recent_items import NO_ITEM
from rec_assets.serving.graph.request import UNKNOWN
from rec_assets.serving.graph.row_splits import ROW_SPLITS
from rec_assets.serving.graph.spec import STAGES
from rec_assets.serving.runner import run
from rec_assets.serving.stages import Stage, load_stage
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.followed.rules import GetRules, no_rules
from rec_assets.serving.stages.items import ItemLookup
from rec_assets.serving.stages.ordering import Ordering
from rec_assets.serving.stages.ranking import Unroll
from rec_assets.serving.stages.retrieval import Retrieval
from rec_assets.serving.stages.seen import SeenFilter
from rec_assets.serving.stages.users import UserLookup
from rec_assets.serving.tables.item_features import RawItemFeatures
from rec_assets.serving.tables.memory_mapped import item_neighbors, signal_tables
from rec_assets.settings import Settings

USERS_AT_ONCE = 64

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class PastItems:
    """`ITEM_SIGNALS` of items at a past moment: raw item_ids int32 [m], signals float32 [m] each."""

    item_ids: Ids
    signals: Mapping[str, npt.NDArray[np.float32]]


AS_BUNDLED = PastItems(np.empty(0, np.int32), {})  # the signals of the bundle itself


@dataclass(frozen=True)
class PastRequests:
    """One request per user, with the user's features in the stores at that moment.

    Attributes:
        user_ids, device_types: raw, int32 [q]; every user occurs once.
        timestamps: unix seconds, int64 [q].
        age: float32 [q], NaN where unknown.
        gender, top_category: raw, int32 [q], -1 where unknown.
    """

    user_ids: Ids
    device_types: Ids
    timestamps: npt.NDArray[np.int64]
    age: npt.NDArray[np.float32]
    gender: Ids
    top_category: Ids

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "PastRequests":
        """Makes a request of each row, with user_id, device_type, timestamp, age, gender and top_category."""
        unknown = {"age": float("nan"), "gender": UNKNOWN, "top_category": UNKNOWN}
        filled = rows.with_columns(pl.col(name).fill_null(value) for name, value in unknown.items())
        return cls(
            user_ids=filled["user_id"].to_numpy().astype(np.int32),
            device_types=filled["device_type"].to_numpy().astype(np.int32),
            timestamps=filled["timestamp"].to_numpy().astype(np.int64),
            age=filled["age"].to_numpy().astype(np.float32),
            gender=filled["gender"].to_numpy().astype(np.int32),
            top_category=filled["top_category"].to_numpy().astype(np.int32),
        )

    def __len__(self) -> int:
        return len(self.user_ids)

    def batches(self, size: int) -> Iterator["PastRequests"]:
        """Splits the requests into batches of at most `size`."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield PastRequests(*(getattr(self, field.name)[part] for field in fields(self)))


@dataclass(frozen=True)
class Batch:
    """Requests that are answered together.

    Attributes:
        columns: inputs of `graph.spec.REQUEST`, [b] each, with user_id.
        users: returns the features and histories of these users, in their order.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    users: UserLookup


def first_arrivals(rows: pl.DataFrame) -> PastRequests:
    """Makes one request per user of joined rows, with time and features of the user's first interaction."""
    ordered = rows.sort("user_id", "timestamp", maintain_order=True)
    return PastRequests.of(ordered.unique("user_id", keep="first", maintain_order=True))


def answers(
    bundle: Bundle,
    requests: PastRequests,
    log: InteractionLog,
    items: PastItems,
    depth: int,
    settings: Settings,
    rules: GetRules = no_rules,
) -> tuple[Ids, npt.NDArray[np.float32]]:
    """Returns the ranked lists of a bundle for past requests.

    Args:
        bundle: the bundle to run.
        requests: one request per user.
        log: interactions with raw item ids; a history ends before its request.
        items, depth, settings, rules: as for `ranked_lists`.

    Returns:
        The lists of `ranked_lists` [q, depth].
    """
    names = ("user_id", "device_type", "timestamp")
    batches = (
        Batch({name: getattr(one, f"{name}s") for name in names}, _user_lookup(bundle, one, log))
        for one in requests.batches(USERS_AT_ONCE)
    )
    return ranked_lists(bundle, batches, len(requests), items, depth, settings, rules)


def ranked_lists(
    bundle: Bundle,
    batches: Iterable[Batch],
    requests: int,
    items: PastItems,
    depth: int,
    settings: Settings,
    rules: GetRules = no_rules,
) -> tuple[Ids, npt.NDArray[np.float32]]:
    """Returns the ranked lists of a bundle.

    Args:
        bundle: the bundle to run.
        batches: all requests.
        requests: their number q.
        items: signals of items before the day of the requests.
        depth: length of the lists.
        settings: source of `retrieval_topk`. The seen filter and diversity are turned off.
        rules: returns the rules of the shop; none by default.

    Returns:
        Raw item ids int32 [q, depth], best first, padded with -1, and the ranker's probabilities, float32 [q, depth],
        padded with 0.
    """
    plain = {"ranking_topk": depth, "diversity_mode": False, "seen_filter": "nothing"}
    settings = settings.model_copy(update=plain)
    stages = _stages(bundle, items, settings, rules)
    lists = np.full((requests, depth), NO_ITEM, np.int32)
    scores = np.zeros(lists.shape, np.float32)
    row = 0
    for batch in batches:
        stages["feast_user_lookup"] = batch.users
        output = run(stages, batch.columns)
        for first, end in zip(output[ROW_SPLITS][:-1], output[ROW_SPLITS][1:], strict=True):
            lists[row, : end - first] = output["ordered_ids"][first:end]
            scores[row, : end - first] = output["ordered_scores"][first:end]
            row += 1
    return lists, scores


def _stages(bundle: Bundle, past: PastItems, settings: Settings, rules: GetRules) -> dict[str, Stage]:
    stages: dict[str, Any] = {
        "filter_seen_items": SeenFilter.load(bundle, settings, rules),
        "softmax_sampling": Ordering.load(bundle, settings, rules),
    }
    ours = ("feast_user_lookup", "feast_item_lookup", "faiss_retrieval", "unroll_features", *stages)
    stages |= {spec.name: load_stage(spec.name, bundle, settings) for spec in STAGES if spec.name not in ours}
    # Item features of the bundle, and an empty store.
    stages["feast_item_lookup"] = ItemLookup(
        RawItemFeatures.of(bundle),
        lambda: None,
        lambda items: OnlineRows.missing(len(items), ITEM_FEATURES),
        StoreGuard("item_features", "Replays read no store"),
    )
    tables = signal_tables(bundle)
    known = bundle.lookups.is_known("item_id", past.item_ids)
    codes = bundle.lookups.encode("item_id", past.item_ids[known])
    for name, values in past.signals.items():
        tables[name] = tables[name].copy()
        tables[name][codes] = values[known]
    stages["faiss_retrieval"] = Retrieval.of(bundle, settings, tables)
    stages["unroll_features"] = Unroll(
        tables, item_neighbors(bundle), ranks_own_apart=bundle.manifest.config.ranks_own_apart
    )
    return stages


def _user_lookup(bundle: Bundle, requests: PastRequests, log: InteractionLog) -> UserLookup:
    """Returns a `UserLookup` on past features; it looks up all users of a batch at once, in the order of the batch."""
    known = np.isfinite(requests.age) | (requests.gender >= 0) | (requests.top_category >= 0)
    columns = {"age": requests.age, "gender": requests.gender, "top_category": requests.top_category}
    past = log.gather(log.slices(requests.user_ids, requests.timestamps))
    items = np.where(past.timestamps == 0, np.int32(NO_ITEM), past.item_ids)
    stored = OnlineRows(known, columns), (items, past.timestamps)
    return UserLookup(lambda _: stored, bundle.lookups.age_mean)
