"""Stages that score candidates: `Unroll` builds one row of features per candidate, `Ranking` scores the rows."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.columns import CONTENT_FEATURES
from rec_assets.features.history import UserHistories
from rec_assets.features.signals.history_signals import history_signals, retrieval_rank
from rec_assets.features.signals.item_signals import ITEM_SIGNALS
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import Past
from rec_assets.inference.factored_ranker import ITEM_MODEL, FactoredRanker
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.serving.graph import row_splits
from rec_assets.serving.graph.tensors import (
    DlrmRankingInputs,
    DlrmRankingOutputs,
    UnrollFeaturesInputs,
    UnrollFeaturesOutputs,
)
from rec_assets.serving.stages.base import Array, inputs_of
from rec_assets.serving.tables.memory_mapped import content_tables, item_facts, item_neighbors, signal_tables
from rec_assets.settings import Settings

# Inputs from which signals are computed; all other inputs are repeated unchanged.
_SOURCES = frozenset({"item_id", "history_item_id", "history_timestamp", "timestamp", row_splits.ROW_SPLITS})


class Unroll:
    """Repeats the features of a request for each of its candidates, and adds the candidates' signals."""

    def __init__(self, tables: Mapping[str, Array], neighbors: Neighbors, *, ranks_own_apart: bool) -> None:
        """Stores the parts.

        Args:
            tables: the tables of `signal_tables`.
            neighbors: the neighbors of items.
            ranks_own_apart: as in `ServingConfig`.
        """
        self._ranks_own_apart = ranks_own_apart
        self._facts = item_facts(tables)
        self._items = {name: tables[name] for name in ITEM_SIGNALS}
        self._neighbors = neighbors

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Unroll":
        """Reads the tables; raises ActionableError if one is missing or lacks one row per encoded item id."""
        import rec_assets.features.signals.signal_loop  # noqa: F401 - compiles now, so that no request waits for it

        config = bundle.manifest.config
        return cls(signal_tables(bundle), item_neighbors(bundle), ranks_own_apart=config.ranks_own_apart)

    def __call__(self, inputs: UnrollFeaturesInputs) -> UnrollFeaturesOutputs:
        """Maps encoded item_id [N], features [B], histories [B, LENGTH], timestamp [B] → features and signals [N] each.

        Signals are float32: retrieval_rank, `HISTORY_SIGNALS` and `ITEM_SIGNALS`.
        """
        items = inputs["item_id"]
        splits = row_splits.splits_of(inputs, len(items))
        owners = row_splits.request_of(splits)
        past = Past(UserHistories(inputs["history_item_id"], inputs["history_timestamp"]), inputs["timestamp"])
        of_items = {name: table[items] for name, table in self._items.items()}
        of_history = history_signals(past, items, owners, self._facts, self._neighbors, of_items["repurchase_days"])
        # Without choices, the rank is the logarithm of the position, as the rankers of earlier bundles read it.
        chosen = of_history["times_chosen"] if self._ranks_own_apart else np.zeros(len(items))
        given: Mapping[str, Array] = cast(Any, inputs)
        repeated = {name: values[owners] for name, values in given.items() if name not in _SOURCES}
        ranks = {"retrieval_rank": retrieval_rank(owners, chosen)}
        return cast(UnrollFeaturesOutputs, repeated | ranks | of_history | of_items)


class Ranking:
    """Predicts the probability that the user interacts with the candidate now."""

    def __init__(self, model: OnnxModel | FactoredRanker) -> None:
        self._model = model
        self.unread = () if isinstance(model, OnnxModel) else CONTENT_FEATURES

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Ranking":
        """Loads the factored ranker, or the exported ranker if a bundle of an earlier release has no other.

        Raises:
            ActionableError: a file is unreadable, or does not fit the graph or the workflow's items.
        """
        file = bundle.file("dlrm")
        whole = OnnxModel(file, inputs_of("dlrm_ranking"), 1)
        if not file.with_name(ITEM_MODEL).exists():
            return cls(whole)
        content = {f"{name}_embedding": table for name, table in content_tables(bundle).items()}
        return cls(FactoredRanker(file.parent, bundle.lookups.size("item_id"), content))

    def __call__(self, inputs: DlrmRankingInputs) -> DlrmRankingOutputs:
        """Maps features of candidates, [N] or [N, 64] each, → score float32 [N].

        The candidates of a request have the same features of the user and the context. The factored ranker reads them
        once, and has its own copy of the content vectors.
        """
        if isinstance(self._model, OnnxModel):
            return {"score": self._model(inputs)[:, 0]}
        return {"score": self._model(inputs, row_splits.splits_of(inputs, len(inputs["item_id"])))}
