"""A list as the Python client returns it, with the ids of the models and of the shop."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.decimals import decimal
from rec_assets.serving.graph.spec import ANSWER_ID, BUNDLE_ID, LIST, REASON
from rec_assets.serving.ids import ITEM, Id, Ids


@dataclass(frozen=True)
class Recommendations:
    """An ordered list for one user.

    Attributes:
        item_ids: raw ids, best first, int32 [k].
        scores: the ranker's probabilities, float32 [k]; other lists have their own scores.
        bundle_id: id of the bundle that made the list.
        milliseconds: time from request to response, measured in the client.
        translation: translates ids for `ids`.
        reason: why a list of `buy_again` is empty; an empty text for other lists.
        answer_id: id of a list of `recommend`, which `rec explain` takes; an empty text for other lists, and for lists
            of the topology `ensemble_model`.
    """

    item_ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    bundle_id: str
    milliseconds: float
    translation: Ids = field(repr=False, compare=False)
    reason: str = ""
    answer_id: str = ""

    @classmethod
    def of(cls, made: Mapping[str, npt.NDArray[Any]], milliseconds: float, translation: Ids) -> "Recommendations":
        """Returns the list in a response of Triton for one user: its outputs by name."""
        ids, scores, *_ = (made[tensor.name].ravel() for tensor in LIST)
        bundle_id, reason, answer_id = (
            made[one.name].item().decode() if one.name in made else "" for one in (BUNDLE_ID, REASON, ANSWER_ID)
        )
        return cls(ids, scores, bundle_id, milliseconds, translation, reason, answer_id)

    @property
    def ids(self) -> list[Id]:
        """Returns the ids of the items as the shop writes them, best first."""
        return [self.translation.text(ITEM, item) for item in self.item_ids.tolist()]

    def __len__(self) -> int:
        return len(self.item_ids)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Yields (item id, score) pairs, best first; a score is the shortest decimal of its float32."""
        return iter(zip(self.item_ids.tolist(), map(decimal, self.scores), strict=True))
