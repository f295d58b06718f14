"""Fits a PCA projection on present rows. Models are trained on its output, so the projection stays frozen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# Enough rows for a covariance of 1280 dimensions. Limits memory to 0.5 GB in double precision.
FIT_ROWS = 50_000
_BLOCK = 16_384
# A component with a smaller share of the variance is rounding noise and would add noise to vectors of new items.
_NOISE = 1e-9

Matrix = npt.NDArray[np.float32]
# Raw vectors of an encoder: float16 from the cache, or float32.
Raw = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Projection:
    """A linear projection from raw vectors to components.

    Attributes:
        mean: float32 [raw].
        components: float32 [dim, raw]; components beyond the rank of the fitted rows are zero.
    """

    mean: Matrix
    components: Matrix

    def __call__(self, raw: Raw) -> Matrix:
        """Returns float32 [n, dim] for raw vectors [n, raw]; an all-zero row is missing content and stays zero."""
        reduced = np.zeros((len(raw), len(self.components)), np.float32)
        for start in range(0, len(raw), _BLOCK):
            block = raw[start : start + _BLOCK]
            mask = block.any(axis=1)
            reduced[start : start + _BLOCK][mask] = (block[mask] - self.mean) @ self.components.T
        return reduced


def fit_projection(raw: Raw, present: npt.NDArray[np.bool_], dim: int) -> tuple[Projection, float]:
    """Fits PCA on the present rows, or on FIT_ROWS evenly spaced rows if there are more.

    Args:
        raw: raw vectors [n, raw].
        present: bool [n], True for rows to fit on.
        dim: number of components; components beyond the rank of the rows are zero.

    Returns:
        The projection and its explained share of the variance, 0 for fewer than two rows. Equal rows give equal bits,
        because the eigenvectors of the covariance need no random start and scikit-learn fixes their signs.
    """
    from sklearn.decomposition import PCA

    rows = np.flatnonzero(present)
    if len(rows) > FIT_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, FIT_ROWS).astype(np.int64)]
    sample = raw[rows].astype(np.float64)
    components = np.zeros((dim, raw.shape[1]), np.float32)
    kept = min(dim, len(rows) - 1, raw.shape[1])
    if kept < 1 or not np.ptp(sample, axis=0).any():
        mean = sample.mean(axis=0) if len(rows) else np.zeros(raw.shape[1])
        return Projection(mean.astype(np.float32), components), 0.0
    pca = PCA(kept, svd_solver="covariance_eigh", copy=False).fit(sample)
    significant = pca.explained_variance_ratio_ > _NOISE
    components[:kept][significant] = pca.components_[significant]
    return Projection(pca.mean_.astype(np.float32), components), float(pca.explained_variance_ratio_.sum())
