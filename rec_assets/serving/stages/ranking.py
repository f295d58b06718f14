"""Scores candidates: each with its user and context beside it, then the ranker."""

from collections.abc import Mapping

import numpy as np

from rec_assets.serving import rows
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.onnx_model import OnnxModel
from rec_assets.serving.stages.base import Array, Arrays, inputs_of
from rec_assets.settings import Settings


class Unroll:
    """Repeats what belongs to a request for each of its candidates."""

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Unroll":
        """Needs nothing."""
        return cls()

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """item_id [N] and user and context features [B] → the features [N]."""
        counts = np.diff(rows.splits_of(inputs, len(inputs["item_id"])))
        repeated = set(inputs) - {"item_id", rows.ROW_SPLITS}
        return {name: np.repeat(inputs[name], counts, axis=0) for name in repeated}


class Ranker:
    """The probability that the user picks the candidate now."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Ranker":
        """Loads the exported ranker; raises ActionableError where it does not fit the graph."""
        return cls(OnnxModel(bundle.file("dlrm"), inputs_of("dlrm_ranking"), 1))

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Features of candidates [N] or [N, 64] → score float32 [N]."""
        return {"score": self._model(inputs)[:, 0]}
