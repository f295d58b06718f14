"""Decimals of float32 values, for people and JSON."""

from typing import Any

import numpy as np


def decimal(value: "float | np.floating[Any]") -> float:
    """Returns the shortest decimal that stands for a float32 value: 4.95, not 4.949999809265137."""
    return float(str(np.float32(value)))
