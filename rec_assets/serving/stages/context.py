"""Stages for the context of a request: device and time."""

import time
from collections.abc import Callable
from typing import cast

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.clock import clock_features
from rec_assets.inference.lookups import Lookups
from rec_assets.serving.graph.request import NOW, UNKNOWN, column
from rec_assets.serving.graph.tensors import (
    ContextPreprocessorInputs,
    ContextPreprocessorOutputs,
    NvtContextTransformInputs,
    NvtContextTransformOutputs,
)
from rec_assets.settings import Settings


class ContextPreprocessor:
    """Fills in the context: an unknown or missing device becomes -1, a missing time or 0 becomes the current time."""

    def __init__(self, lookups: Lookups, now: Callable[[], float] = time.time) -> None:
        self._lookups = lookups
        self._now = now

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "ContextPreprocessor":
        """Reads the device vocabulary."""
        return cls(bundle.lookups)

    def __call__(self, inputs: ContextPreprocessorInputs) -> ContextPreprocessorOutputs:
        """Maps device_type and timestamp, optional integers [B], → both int32 [B]; raises RequestError."""
        given = {name: column(name, inputs[name]) for name in ("device_type", "timestamp") if name in inputs}
        rows = max(map(len, given.values()), default=1)
        devices = given.get("device_type", np.full(rows, UNKNOWN, np.int32))
        times = given.get("timestamp", np.full(rows, NOW, np.int32))
        known = self._lookups.is_known("device_type", devices)
        return {
            "device_type": np.where(known, devices, UNKNOWN).astype(np.int32),
            "timestamp": np.where(times == NOW, int(self._now()), times).astype(np.int32),
        }


class ContextTransform:
    """Encodes the device, and the time as sine and cosine of the hour and of the day of the week."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "ContextTransform":
        """Reads the fitted workflow."""
        return cls(bundle.lookups)

    def __call__(self, inputs: NvtContextTransformInputs) -> NvtContextTransformOutputs:
        """Maps device_type, timestamp int32 [B] → device_type encoded int32 [B], the clock features float32 [B]."""
        encoded = {"device_type": self._lookups.encode("device_type", inputs["device_type"])}
        return cast(NvtContextTransformOutputs, encoded | clock_features(inputs["timestamp"]))
