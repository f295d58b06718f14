"""Explains a list: runs the stages of the live bundle again, one by one, and measures their time.

The form of the page has neither a session nor filters, so neither has an explanation here. `rec explain` reads both.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import polars as pl

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.graph.request import Ids, validate
from rec_assets.serving.runner import load_stages, walk
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.serving.triton.local_bundle import live_bundle
from rec_assets.settings import Settings

SAME_SCORE = 1e-3

Shown = Sequence[tuple[int, float]]


def ordinal(number: int) -> str:
    """Returns a number as a position: `2` → "2nd"."""
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


@dataclass(frozen=True)
class Reason:
    """The reasons for an item's position in a list.

    Attributes:
        retrieval_rank: position of the item among the retrieved candidates, from 1; 0 if it filled up a short list.
        matches: True if the item is of the user's top category of the past 24 hours.
        interactions: number of the user's earlier interactions with the item.
        of_category: number of the user's latest items in the item's category.
    """

    retrieval_rank: int
    matches: bool
    interactions: int
    of_category: int

    @property
    def text(self) -> str:
        """Returns the reasons in a line, as the storefront shows them."""
        parts = [f"retrieved {ordinal(self.retrieval_rank)}" if self.retrieval_rank else "popular"]
        parts += ["top category"] if self.matches else []
        parts += [f"chosen {self.interactions} times"] if self.interactions else []
        parts += [f"{self.of_category} of this category"] if self.of_category else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Explanation:
    """Results of the stages for a request.

    Attributes:
        bundle: the bundle of the stages.
        top_category: category of most of the user's interactions in the past 24 hours; -1 without interactions.
        recent: raw ids of the user's latest items, newest first.
        retrieved: number of retrieved candidates.
        filtered: number of retrieved candidates that were removed as seen.
        reasons: reasons by item id.
        milliseconds: duration by stage.
        agrees: True if the stages return the shown list.
    """

    bundle: Bundle
    top_category: int
    recent: list[int]
    retrieved: int
    filtered: int
    reasons: dict[int, Reason]
    milliseconds: dict[str, float]
    agrees: bool


@dataclass
class Explainer:
    """Runs the stages of the live bundle; loads them at first use, and again when another bundle is live."""

    settings: Settings
    _lock: Lock = field(default_factory=Lock)
    _bundle: Bundle | None = None
    _stages: dict[str, Stage] = field(default_factory=dict)

    def explain(
        self, bundle_id: str, shown: Shown, user_id: int, device_type: int, at: int, *, drawn: bool = False
    ) -> Explanation | None:
        """Explains a list; returns None if its bundle is not the live bundle of this machine.

        Args:
            bundle_id: bundle of the list.
            shown: raw ids and scores of the list, best first.
            user_id: raw user id of the request.
            device_type: device type of the request.
            at: unix time of the request in seconds.
            drawn: True if the list was sampled, so that another run returns another order.

        Raises:
            ActionableError: the bundle is damaged.
        """
        with self._lock:
            if not self._load(bundle_id):
                return None
            request = dict(validate({"user_id": [user_id], "device_type": [device_type], "timestamp": [at]}))
            tensors, spent, started = Arrays(), {}, time.perf_counter()
            for stage, tensors in walk(self._stages, request):  # noqa: B007 - the last tensors are used below
                spent[stage], started = 1000 * (time.perf_counter() - started), time.perf_counter()
            assert self._bundle is not None
            return _explanation(self._bundle, tensors, spent, shown, drawn)

    def _load(self, bundle_id: str) -> bool:
        if self._bundle is None or self._bundle.bundle_id != bundle_id:
            bundle = live_bundle(self.settings)
            if bundle is None or bundle.bundle_id != bundle_id:
                return False
            self._stages = load_stages(bundle, self.settings)
            self._bundle = bundle
        return True


def latest_items(bundle: Bundle, tensors: Arrays) -> Ids:
    """Returns the raw ids of the items of a request's history and session, newest first."""
    history = tensors["user/history_item_id"][0]
    return bundle.lookups.decode("item_id", history[history > 0])


def top_category(bundle: Bundle, tensors: Arrays) -> int:
    """Returns the raw category that the models read as the top category of a request, -1 for none."""
    return int(bundle.lookups.decode("top_category", tensors["user/top_category"])[0])


def reasons_of(bundle: Bundle, tensors: Arrays, item_ids: Ids) -> dict[int, Reason]:
    """Returns the reasons for the items of a list, by raw item id.

    Args:
        bundle: the bundle of the list.
        tensors: all tensors of the graph for its request.
        item_ids: raw ids of the list.
    """
    ranks = {item: rank for rank, item in enumerate(tensors["retrieved/item_id"].tolist(), start=1)}
    candidates, top = tensors["raw_item/item_id"], top_category(bundle, tensors)
    categories = dict(zip(candidates.tolist(), tensors["raw_item/category_l1"].tolist(), strict=True))
    recent = latest_items(bundle, tensors)
    known = bundle.catalog().filter(pl.col("category_l1") >= 0)
    catalog_categories = dict(known.select("item_id", "category_l1").iter_rows())
    recent_categories = [catalog_categories.get(item) for item in recent.tolist()]
    return {
        item: Reason(
            retrieval_rank=ranks.get(item, 0),
            matches=top >= 0 and categories.get(item) == top,
            interactions=int((recent == item).sum()),
            of_category=recent_categories.count(categories.get(item, -1)),
        )
        for item in item_ids.tolist()
    }


def _explanation(bundle: Bundle, tensors: Arrays, spent: dict[str, float], shown: Shown, drawn: bool) -> Explanation:
    retrieved, candidates = tensors["retrieved/item_id"], tensors["raw_item/item_id"]
    scores = dict(zip(candidates.tolist(), tensors["ranked/score"].tolist(), strict=True))
    same_scores = all(abs(scores.get(item, -1) - score) < SAME_SCORE for item, score in shown)
    item_ids = np.array([item for item, _ in shown], np.int32)
    same_order = np.array_equal(tensors["ordered_ids"][: len(shown)], item_ids)
    return Explanation(
        bundle=bundle,
        top_category=top_category(bundle, tensors),
        recent=latest_items(bundle, tensors).tolist(),
        retrieved=len(retrieved),
        filtered=int((~np.isin(retrieved, tensors["unseen/item_id"])).sum()),
        reasons=reasons_of(bundle, tensors, item_ids),
        milliseconds=spent,
        agrees=same_scores and (drawn or same_order),
    )
