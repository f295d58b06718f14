"""Row splits: candidates of many requests lie in one flat array.

`row_splits`, int64 [B + 1], holds the begin and end of each request's candidates in the array.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Splits = npt.NDArray[np.int64]
ROW_SPLITS: Final = "row_splits"


def splits_of(inputs: Mapping[str, Any], candidates: int) -> Splits:
    """Returns `row_splits` of the inputs; without them (as in Triton's ensemble), the splits of a single request."""
    given = inputs.get(ROW_SPLITS)
    return np.array([0, candidates], np.int64) if given is None else given.astype(np.int64)


def from_counts(counts: npt.NDArray[np.integer[Any]]) -> Splits:
    """Returns the splits for the number of candidates of each request; int64 [B + 1]."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def request_of(splits: Splits) -> npt.NDArray[np.int64]:
    """Returns the request number of every candidate; int64 [N]."""
    return np.repeat(np.arange(len(splits) - 1), np.diff(splits))


def place_of(splits: Splits) -> npt.NDArray[np.int64]:
    """Returns the position of every candidate within its request, from 0; int64 [N]."""
    return np.arange(splits[-1]) - np.repeat(splits[:-1], np.diff(splits))


def keep(splits: Splits, kept: npt.NDArray[np.bool_]) -> Splits:
    """Returns the splits of the candidates that the mask `kept` (bool [N]) keeps."""
    return np.concatenate([[0], np.cumsum(kept)])[splits].astype(np.int64)
