"""Candidates of many requests in one flat array: `row_splits` int64 [B + 1] says where each request's begin and end."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Splits = npt.NDArray[np.int64]
ROW_SPLITS = "row_splits"


def splits_of(inputs: Mapping[str, npt.NDArray[Any]], candidates: int) -> Splits:
    """Returns the given `row_splits`, or those of one request where there are none, as in Triton's ensemble."""
    given = inputs.get(ROW_SPLITS)
    return np.array([0, candidates], np.int64) if given is None else given.astype(np.int64)


def from_counts(counts: npt.NDArray[np.integer[Any]]) -> Splits:
    """Returns the splits of requests with so many candidates each; int64 [B + 1]."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def request_of(splits: Splits) -> npt.NDArray[np.int64]:
    """Returns the request number of every candidate; int64 [N]."""
    return np.repeat(np.arange(len(splits) - 1), np.diff(splits))


def place_of(splits: Splits) -> npt.NDArray[np.int64]:
    """Returns the place of every candidate within its request, from 0; int64 [N]."""
    return np.arange(splits[-1]) - np.repeat(splits[:-1], np.diff(splits))


def keep(splits: Splits, kept: npt.NDArray[np.bool_]) -> Splits:
    """Returns the splits after only the candidates marked in `kept` (bool [N]) are left."""
    return np.concatenate([[0], np.cumsum(kept)])[splits].astype(np.int64)
