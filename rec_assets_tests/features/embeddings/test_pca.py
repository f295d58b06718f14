"""Tests of the PCA projection: reproducible components of the present rows, for any number of rows."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from rec_assets.features.embeddings import pca
from rec_assets.features.embeddings.pca import fit_projection


def rows(n: int, raw: int, seed: int = 0) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, raw)) * np.linspace(2, 0.1, raw) + 3).astype(np.float32)


def test_it_equals_a_full_singular_value_decomposition_up_to_sign() -> None:
    raw = rows(300, 100)
    projection, explained = fit_projection(raw, np.ones(300, bool), 64)
    full = PCA(64, svd_solver="full").fit(raw.astype(np.float64))
    np.testing.assert_allclose(np.abs(projection(raw)), np.abs(full.transform(raw)), atol=1e-3)
    assert explained == pytest.approx(full.explained_variance_ratio_.sum())


@given(n=st.integers(0, 90), absent=st.sets(st.integers(0, 89)), distinct=st.integers(1, 90))
@settings(max_examples=40)
def test_few_rows_absent_rows_and_repeated_rows_are_padded_with_zeros(n: int, absent: set[int], distinct: int) -> None:
    raw = rows(90, 80)[np.arange(n) % distinct]
    present = np.array([i not in absent for i in range(n)], bool)
    raw[~present] = 0
    projection, explained = fit_projection(raw, present, 64)
    reduced = projection(raw)
    assert reduced.shape == (n, 64) and reduced.dtype == np.float32 and np.isfinite(reduced).all()
    assert not reduced[~present].any() and 0 <= explained <= 1 + 1e-9
    directions = max(len(np.unique(raw[present], axis=0)) - 1, 0)
    assert projection.components.any(axis=1).sum() <= min(directions, 64)
    # Distances are preserved if no component is dropped.
    if 0 < directions <= 60:
        a, b = np.flatnonzero(present)[[0, -1]]
        assert np.linalg.norm(reduced[a] - reduced[b]) == pytest.approx(np.linalg.norm(raw[a] - raw[b]), abs=1e-3)


def test_absent_rows_do_not_change_the_fit() -> None:
    raw = rows(200, 80)
    alone, _ = fit_projection(raw, np.ones(200, bool), 64)
    present = np.arange(300) < 200
    among, _ = fit_projection(np.concatenate([raw, np.zeros((100, 80), np.float32)]), present, 64)
    np.testing.assert_array_equal(among.components, alone.components)


def test_a_sample_of_many_rows_gives_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = rows(4000, 70)
    monkeypatch.setattr(pca, "FIT_ROWS", 2000)
    monkeypatch.setattr(pca, "_BLOCK", 333)
    sampled, explained = fit_projection(raw, np.ones(4000, bool), 16)
    monkeypatch.undo()
    assert explained == pytest.approx(fit_projection(raw, np.ones(4000, bool), 16)[1], abs=0.02)
    np.testing.assert_allclose(sampled(raw), (raw - sampled.mean) @ sampled.components.T, rtol=1e-4, atol=1e-4)
