"""Principal components of present rows, and the projection that is frozen with the models trained on it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# Enough rows for the covariance of 1280 numbers, and a bound on memory: 0.5 GB in double precision.
FIT_ROWS = 50_000
_BLOCK = 16_384
# A component with less of the variance than this is rounding noise, and would be amplified nonsense for later items.
_NOISE = 1e-9

Matrix = npt.NDArray[np.float32]
# An encoder's vectors: float16 as its cache keeps them, or float32.
Raw = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Projection:
    """mean float32 [raw], components float32 [dim, raw], zero where there were too few rows to tell a direction."""

    mean: Matrix
    components: Matrix

    def __call__(self, raw: Raw) -> Matrix:
        """Returns float32 [n, dim] for raw vectors [n, raw]; an all-zero row is a missing one and stays zero."""
        reduced = np.zeros((len(raw), len(self.components)), np.float32)
        for start in range(0, len(raw), _BLOCK):
            block = raw[start : start + _BLOCK]
            there = block.any(axis=1)
            reduced[start : start + _BLOCK][there] = (block[there] - self.mean) @ self.components.T
        return reduced


def fit_projection(raw: Raw, present: npt.NDArray[np.bool_], dim: int) -> tuple[Projection, float]:
    """Fits PCA on the present rows; of more than FIT_ROWS, on that many at even distances.

    Args:
        raw: [n, raw].
        present: bool [n].
        dim: components wanted; those that the rows cannot give are zero.

    Returns:
        The projection and the share of the variance it keeps, 0 for fewer than two rows. Equal rows give equal bits:
        the eigenvectors of the covariance need no random start, and scikit-learn fixes their signs.
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
    real = pca.explained_variance_ratio_ > _NOISE
    components[:kept][real] = pca.components_[real]
    return Projection(pca.mean_.astype(np.float32), components), float(pca.explained_variance_ratio_.sum())
