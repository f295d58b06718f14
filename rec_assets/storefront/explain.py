"""Explains a list: runs the stages of the live bundle once more, one after the other, and times them."""

import time
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.client import Recommendations
from rec_assets.serving.graph.request import validate
from rec_assets.serving.runner import load_stages, walk
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.serving.triton.local_bundle import live_bundle
from rec_assets.settings import Settings

SAME_SCORE = 1e-3


@dataclass(frozen=True)
class Reason:
    """The reasons for an item's place.

    Attributes:
        place: of the item among all that retrieval found, from 1; 0 where it only filled up.
        matches: whether it is of the category that the user engages with most today.
        chosen: how often the user chose the item before.
        of_category: how many of the user's latest items are of its category.
    """

    place: int
    matches: bool
    chosen: int
    of_category: int


@dataclass(frozen=True)
class Explanation:
    """The stages' outputs for a request.

    Attributes:
        bundle: whose stages they are.
        top_category: what the user engages with most today, -1 nothing.
        recent: raw ids of what he chose last, newest first.
        retrieved, filtered: how many candidates were found, and how many of them he had seen.
        reasons: by item.
        milliseconds: by stage.
        agrees: whether the list that was shown is what these stages make.
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
    """The stages of the live bundle; loaded at the first question, and again when another bundle goes live."""

    settings: Settings
    _lock: Lock = field(default_factory=Lock)
    _bundle: Bundle | None = None
    _stages: dict[str, Stage] = field(default_factory=dict)

    def explain(
        self, shown: Recommendations, user_id: int, device_type: int, at: int, *, drawn: bool = False
    ) -> Explanation | None:
        """Explains a list; None where the bundle that made it is not on this machine.

        Args:
            shown: the list.
            user_id: who asked.
            device_type: on which device.
            at: when, unix seconds.
            drawn: whether the list was drawn, so that no other run makes the same.

        Raises:
            ActionableError: the bundle is damaged.
        """
        with self._lock:
            if not self._has(shown.bundle_id):
                return None
            request = dict(validate({"user_id": [user_id], "device_type": [device_type], "timestamp": [at]}))
            tensors, spent, started = Arrays(), {}, time.perf_counter()
            for stage, tensors in walk(self._stages, request):  # noqa: B007 - the last ones are what is looked at
                spent[stage], started = 1000 * (time.perf_counter() - started), time.perf_counter()
            assert self._bundle is not None
            return _explanation(self._bundle, tensors, spent, shown, drawn)

    def _has(self, bundle_id: str) -> bool:
        if self._bundle is None or self._bundle.bundle_id != bundle_id:
            bundle = live_bundle(self.settings)
            if bundle is None or bundle.bundle_id != bundle_id:
                return False
            self._stages = load_stages(bundle, self.settings)
            self._bundle = bundle
        return True


def _explanation(
    bundle: Bundle, tensors: Arrays, spent: dict[str, float], shown: Recommendations, drawn: bool
) -> Explanation:
    retrieved = tensors["retrieved/item_id"]
    places = {item: place for place, item in enumerate(retrieved.tolist(), start=1)}
    candidates, top_category = tensors["raw_item/item_id"], int(tensors["raw_user/top_category"][0])
    categories = dict(zip(candidates.tolist(), tensors["raw_item/category_l1"].tolist(), strict=True))
    history = tensors["user/history_item_id"][0]
    recent = bundle.lookups.decode("item_id", history[history > 0])
    of_items = dict(bundle.catalog().select("item_id", "category_l1").iter_rows())
    chosen_categories = [of_items.get(item) for item in recent.tolist()]
    reasons = {
        item: Reason(
            place=places.get(item, 0),
            matches=top_category >= 0 and categories.get(item) == top_category,
            chosen=int((recent == item).sum()),
            of_category=chosen_categories.count(categories.get(item, -1)),
        )
        for item in shown.item_ids.tolist()
    }
    scores = dict(zip(candidates.tolist(), tensors["ranked/score"].tolist(), strict=True))
    same_scores = all(abs(scores.get(item, -1) - score) < SAME_SCORE for item, score in shown)
    same_order = np.array_equal(tensors["ordered_ids"][: len(shown)], shown.item_ids)
    return Explanation(
        bundle=bundle,
        top_category=top_category,
        recent=recent.tolist(),
        retrieved=len(retrieved),
        filtered=int((~np.isin(retrieved, tensors["unseen/item_id"])).sum()),
        reasons=reasons,
        milliseconds=spent,
        agrees=same_scores and (drawn or same_order),
    )
