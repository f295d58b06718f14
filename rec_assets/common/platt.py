"""Platt scaling: turns scores into probabilities by a line through their log-odds (Platt 1999)."""

from typing import Any

import numpy as np
import numpy.typing as npt


def fit_platt(logits: npt.NDArray[Any], hits: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Fits slope and intercept so that the sigmoid of slope * logit + intercept estimates the hit rate.

    Args:
        logits: finite log-odds [n].
        hits: outcome of each logit, bool [n].

    Returns:
        Slope and intercept: 1 and 0 without both outcomes, or if the slope would reverse the order.
    """
    from sklearn.linear_model import LogisticRegression

    if hits.all() or not hits.any():
        return 1.0, 0.0
    fitted = LogisticRegression(C=np.inf).fit(logits.reshape(-1, 1), hits)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return (slope, intercept) if slope > 0 else (1.0, 0.0)
