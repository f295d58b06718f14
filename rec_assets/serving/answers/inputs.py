"""The inputs of an answer: what its list depends on beside the bundle, as bytes.

Values of the request and of the stores are recorded. So are the candidates with their retrieval scores, because the
seen filter, the catalog and the index are read there, and because a query vector depends in its last bits on the batch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.columns import RETRIEVAL_SCORE
from rec_assets.realtime.answers.packing import pack, unpack

Array = npt.NDArray[Any]
_VERSION = b"1"
# Arrays by name, in the order of the bytes. `changed/…` has the candidates whose features are not those of the bundle.
FIELDS: dict[str, str] = {
    "top_k": "<i4",
    "rules_at": "<i8",
    "recent": "<i4",
    "raw_user/age": "<f4",
    "raw_user/gender": "<i4",
    "raw_user/top_category": "<i4",
    "raw_user/recent_item_id": "<i4",
    "raw_user/recent_timestamp": "<i8",
    "retrieved/item_id": "<i4",
    "unseen/item_id": "<i4",
    f"unseen/{RETRIEVAL_SCORE}": "<f4",
    "changed/item_id": "<i4",
    "changed/category_l1": "<i4",
    "changed/category_l2": "<i4",
    "changed/item_gender": "<i4",
    "changed/price": "<f4",
}


def pack_inputs(arrays: Sequence[Array]) -> bytes:
    """Returns the arrays of `FIELDS`, in this order and of these dtypes, as bytes."""
    return pack([_VERSION, *[array.tobytes() for array in arrays]])


def unpack_inputs(content: bytes) -> dict[str, Array]:
    """Returns the arrays of `pack_inputs` by name, [n] each; raises ValueError for other bytes."""
    version, *parts = unpack(content, 1 + len(FIELDS))
    if version != _VERSION:
        raise ValueError(f"inputs of version {version!r}, expected {_VERSION!r}")
    return {name: np.frombuffer(part, dtype) for (name, dtype), part in zip(FIELDS.items(), parts, strict=True)}
