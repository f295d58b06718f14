"""Makes a recorded answer again, from its bundle and its inputs, equal to the last bit.

The stages that read a store or an index are left out, because their results are inputs of the record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.history import LENGTH
from rec_assets.features.store.item_attributes import NO_ATTRIBUTES, ItemAttributes
from rec_assets.serving.answers.inputs import unpack_inputs
from rec_assets.serving.graph.filters import FILTERS
from rec_assets.serving.graph.request import NO_ITEM, Ids, sessions
from rec_assets.serving.graph.row_splits import ROW_SPLITS
from rec_assets.serving.graph.spec import ANSWER_ID, RECENT, STAGES
from rec_assets.serving.rules.active import EPOCH, ActiveRules, ItemGroups
from rec_assets.serving.rules.rules import Rules
from rec_assets.serving.runner import tensors_of
from rec_assets.serving.stages import Arrays, Stage, load_stage
from rec_assets.serving.stages.followed.rules import item_groups
from rec_assets.serving.stages.ordering import Ordering
from rec_assets.serving.tables.item_features import RawItemFeatures
from rec_assets.settings import Settings

_RECORDED = frozenset(
    {
        "context_preprocessor",
        "feast_user_lookup",
        "query_tower",
        "faiss_retrieval",
        "filter_seen_items",
        "feast_item_lookup",
    }
)
_ORDERING = "softmax_sampling"
_SPECS = tuple(spec for spec in STAGES if spec.name not in _RECORDED)
FindRules = Callable[[str], Rules[int]]


@dataclass(frozen=True)
class Replay:
    """An answer that was made again.

    Attributes:
        item_ids: raw ids, int32 [k].
        scores: float32 [k].
        tensors: tensors of the graph for the request; those of a left-out stage are there if a later stage reads them.
        is_equal: True if ids and scores equal the recorded ones bit for bit.
    """

    item_ids: Ids
    scores: npt.NDArray[np.float32]
    tensors: Arrays
    is_equal: bool


class Replayer:
    """Makes answers of one bundle again. Reads no store."""

    def __init__(self, bundle: Bundle, settings: Settings, find_rules: FindRules) -> None:
        """Loads the stages.

        Args:
            bundle: the bundle of the answers.
            settings: serving settings; those that matter for a list are in its inputs.
            find_rules: returns the rules with a digest; raises ActionableError.
        """
        self._bundle = bundle
        self._find_rules = find_rules
        self._stages: dict[str, Stage] = {
            spec.name: load_stage(spec.name, bundle, settings) for spec in _SPECS if spec.name != _ORDERING
        }
        self._items = RawItemFeatures.of(bundle)

    def replay(self, answer: Mapping[str, Any]) -> Replay:
        """Makes an answer again.

        Args:
            answer: the columns of `realtime.answers.schema.SCHEMA`.

        Raises:
            ActionableError: the rules of the answer are not kept.
            ValueError: the inputs are of another release.
        """
        inputs = unpack_inputs(answer["inputs"])
        rules = self._rules(answer["rules_version"], int(inputs["rules_at"][0]), _attributes(inputs))
        stages = {**self._stages, _ORDERING: Ordering(int(inputs["top_k"][0]), rules=lambda: rules)}
        tensors = tensors_of(stages, self._request(answer, inputs), _SPECS)
        ids, scores = tensors["ordered_ids"], tensors["ordered_scores"]
        # Views of integers, so that equal means equal bits.
        recorded = np.array(answer["item_ids"], np.int32), np.array(answer["scores"], np.float32).view(np.int32)
        is_equal = np.array_equal(ids, recorded[0]) and np.array_equal(scores.view(np.int32), recorded[1])
        return Replay(ids, scores, tensors, is_equal)

    def _request(self, answer: Mapping[str, Any], inputs: Arrays) -> Arrays:
        """Returns the tensors that the replayed stages read and do not make."""
        recorded = {name: values for name, values in inputs.items() if "/" in name and not name.startswith("changed/")}
        return {
            **recorded,
            **self._item_features(inputs),
            "raw_user/recent_item_id": _padded(inputs["raw_user/recent_item_id"], NO_ITEM),
            "raw_user/recent_timestamp": _padded(inputs["raw_user/recent_timestamp"], 0),
            "request/device_type": np.array([answer["device_type"]], np.int32),
            "request/timestamp": np.array([answer["timestamp"]], np.int32),
            RECENT: sessions(inputs["recent"].reshape(1, -1, 2), 1),
            FILTERS: np.array([answer["filters"]], np.object_),
            "top_k": inputs["top_k"],
            "diversity": np.array([answer["sampled"]], np.int32),
            ANSWER_ID.name: np.array([answer["answer_id"].encode()], np.object_),
            ROW_SPLITS: np.array([0, len(inputs["unseen/item_id"])], np.int64),
        }

    def _item_features(self, inputs: Arrays) -> Arrays:
        """Returns the raw features of the candidates: those of the bundle, except for the recorded ones."""
        items = inputs["unseen/item_id"]
        rows = self._items.rows(items.copy())
        changed = np.isin(items, inputs["changed/item_id"])  # which are in the order of the candidates
        for name, values in rows.items():
            values[changed] = inputs[f"changed/{name}"]
        return {f"raw_item/{name}": values for name, values in rows.items()}

    def _rules(self, version: str, microseconds: int, attributes: ItemAttributes) -> ActiveRules | None:
        if not version:
            return None
        at = EPOCH + timedelta(microseconds=microseconds)
        groups = self._groups.with_attributes(attributes)
        return ActiveRules.of(self._find_rules(version), groups, at, bytes.fromhex(version))

    @cached_property
    def _groups(self) -> ItemGroups:
        return item_groups(self._bundle)


def _attributes(inputs: Arrays) -> ItemAttributes:
    """Returns the recorded attributes of the candidates; unknown where no rule read them."""
    items = inputs["unseen/item_id"]
    order = np.argsort(items)
    unknown = NO_ATTRIBUTES.at(items)
    brand, margin, stock = (
        (inputs[name] if len(inputs[name]) else getattr(unknown, name))[order] for name in ("brand", "margin", "stock")
    )
    return ItemAttributes(items[order], brand, margin, stock)


def _padded(values: npt.NDArray[Any], padding: int) -> npt.NDArray[Any]:
    """Returns a history [n] as the user lookup returns it, [1, LENGTH]."""
    padded = np.full((1, LENGTH), padding, values.dtype)
    padded[0, : len(values)] = values
    return padded
