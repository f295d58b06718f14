from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.common.errors import ActionableError
from rec_assets.inference.lookups import OUT_OF_VOCABULARY, Lookups
from rec_assets_tests.serving.synthetic import make_catalog, make_lookups

LOOKUPS = make_lookups(make_catalog(50), 20)
KNOWN_ITEMS = set(LOOKUPS.vocabularies["item_id"].tolist())


@given(st.lists(st.integers(-5, 200), max_size=50))
def test_known_values_survive_encoding_and_unknown_ones_become_two(values: list[int]) -> None:
    encoded = LOOKUPS.encode("item_id", np.array(values, np.int32))
    assert encoded.dtype == np.int32
    assert [index != OUT_OF_VOCABULARY for index in encoded] == [value in KNOWN_ITEMS for value in values]
    assert LOOKUPS.decode("item_id", encoded).tolist() == [v if v in KNOWN_ITEMS else -1 for v in values]


@given(
    st.sampled_from([60, 10**6, 2**40]).flatmap(
        lambda largest: st.tuples(
            st.lists(st.integers(0, largest), min_size=1, max_size=30, unique=True),
            st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-2, largest + 2), max_size=20),
        )
    )
)
def test_dense_and_sparse_vocabularies_encode_alike(drawn: tuple[list[int], list[int]]) -> None:
    vocabulary, more = drawn
    lookups = replace(LOOKUPS, vocabularies={"gender": np.array(vocabulary, np.int64)})
    values = vocabulary + more
    expected = [3 + vocabulary.index(value) if value in vocabulary else OUT_OF_VOCABULARY for value in values]
    assert lookups.encode("gender", np.array(values, np.int64)).tolist() == expected


def test_indices_start_at_three_in_the_order_of_the_vocabulary() -> None:
    assert LOOKUPS.encode("item_id", [10, 13, 16]).tolist() == [3, 4, 5]
    assert LOOKUPS.size("item_id") == 53


@pytest.mark.parametrize("values", [[-1], [float("nan")], [float("inf")], [2**40]])
def test_missing_values_are_unknown(values: list[float]) -> None:
    assert LOOKUPS.encode("device_type", np.array(values)).tolist() == [OUT_OF_VOCABULARY]


def test_everything_is_unknown_to_an_empty_vocabulary() -> None:
    empty = replace(LOOKUPS, vocabularies=LOOKUPS.vocabularies | {"gender": np.array([], np.int64)})
    assert empty.encode("gender", [0, 1, -1]).tolist() == [OUT_OF_VOCABULARY] * 3
    assert empty.decode("gender", [2, 2]).tolist() == [-1, -1]


def test_ages_are_normalized_and_unknown_ones_count_as_the_mean_age() -> None:
    shifted = replace(LOOKUPS, age_norm_mean=30.0)
    np.testing.assert_allclose(shifted.age_norm([30, 42.25, -1, np.nan]), [0, 1, 8.5 / 12.25, 8.5 / 12.25])
    assert shifted.age_norm([30]).dtype == np.float32


@pytest.mark.parametrize(
    ("age", "bin"), [(0, 0), (17, 0), (18, 1), (24, 1), (25, 2), (64, 4), (65, 5), (120, 5), (-1, 3), (np.nan, 3)]
)
def test_age_bins_begin_at_their_boundary(age: float, bin: int) -> None:
    assert LOOKUPS.age_binned([age]).tolist() == [3 + bin]


def test_prices_are_normalized_logarithms_and_no_price_is_the_mean() -> None:
    prices = np.array([0, -3, np.nan, np.expm1(3.5), np.expm1(3.0)], np.float32)
    np.testing.assert_allclose(LOOKUPS.price_log_norm(prices), [0, 0, 0, 1, 0], atol=1e-6)


def test_constant_columns_are_zero() -> None:
    constant = replace(LOOKUPS, age_std=0.0, price_log_std=0.0)
    assert constant.age_norm([20, 50]).tolist() == [0, 0]
    assert constant.price_log_norm([20, 50]).tolist() == [0, 0]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    LOOKUPS.save(tmp_path / "lookups.npz")
    loaded = Lookups.load(tmp_path / "lookups.npz")
    for column, values in LOOKUPS.vocabularies.items():
        np.testing.assert_array_equal(loaded.vocabularies[column], values)
        assert loaded.vocabularies[column].dtype == np.int64
    assert replace(loaded, vocabularies={}) == replace(LOOKUPS, vocabularies={})


def test_a_file_that_is_no_export_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_text("nothing")
    for name in ("other.npz", "text.npz", "nowhere.npz"):
        with pytest.raises(ActionableError, match=rf"{name} is not a workflow export.*\n.*nvt_workflows"):
            Lookups.load(tmp_path / name)
