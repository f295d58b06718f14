"""The inputs of an answer: what its list depends on beside the bundle, as bytes.

Values of the request and of the stores are recorded. So are the candidates, because the seen filter and the catalog are
stores, too. Their retrieval scores are recorded, because a query vector depends in its last bits on the batch.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.columns import RETRIEVAL_SCORE
from rec_assets.realtime.answers.packing import pack, unpack

Array = npt.NDArray[Any]
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
    # Of all candidates, where a rule of the shop reads them.
    "brand": "<i4",
    "margin": "<f4",
    "stock": "<f4",
}
_FIELDS = {b"2": len(FIELDS), b"1": len(FIELDS) - 3}  # number of arrays by version, the newest first


def pack_inputs(arrays: Sequence[Array]) -> bytes:
    """Returns the arrays of `FIELDS`, in this order and of these dtypes, as bytes."""
    return pack([next(iter(_FIELDS)), *[array.tobytes() for array in arrays]])


def unpack_inputs(content: bytes) -> dict[str, Array]:
    """Returns the arrays of `pack_inputs` by name, [n] each; raises ValueError for other bytes.

    Arrays that inputs of an earlier version lack are empty.
    """
    for version, count in _FIELDS.items():
        with suppress(ValueError):
            first, *parts = unpack(content, 1 + count)
            if first == version:
                parts += [b""] * (len(FIELDS) - count)
                return {n: np.frombuffer(part, kind) for (n, kind), part in zip(FIELDS.items(), parts, strict=True)}
    raise ValueError(f"{len(content)} bytes are no inputs of a version that this release reads")
