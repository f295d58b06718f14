"""Stage that decodes the items of the list to raw ids and adds the ids of the bundle and of the answer."""

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.inference.lookups import Lookups
from rec_assets.serving.graph import row_splits
from rec_assets.serving.graph.tensors import ItemIdDecoderInputs, ItemIdDecoderOutputs
from rec_assets.settings import Settings


class Decoder:
    """Decodes encoded item ids to raw ids."""

    def __init__(self, lookups: Lookups, bundle_id: str) -> None:
        self._lookups = lookups
        self._bundle_id = bundle_id.encode()

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Decoder":
        """Reads the item vocabulary."""
        return cls(bundle.lookups, bundle.bundle_id)

    def __call__(self, inputs: ItemIdDecoderInputs) -> ItemIdDecoderOutputs:
        """Maps item_id int32 [N], score float32 [N] → ordered_ids int32, ordered_scores float32 [N], and ids [B].

        bundle_id and answer_id are bytes, the type of Triton's strings. The input answer_id [B] is optional; without
        it, the answers have no id.
        """
        requests = len(row_splits.splits_of(inputs, len(inputs["item_id"]))) - 1
        return {
            "ordered_ids": self._lookups.decode("item_id", inputs["item_id"]),
            "ordered_scores": inputs["score"].astype(np.float32),
            "bundle_id": np.full(requests, self._bundle_id, np.object_),
            "answer_id": inputs.get("answer_id", np.full(requests, b"", np.object_)),
        }
