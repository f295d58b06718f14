from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.stages.decoding import Decoder
from rec_assets.serving.stages.ordering import Ordering
from rec_assets_tests.serving.synthetic import make_catalog, make_lookups

REQUESTS = st.lists(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), max_size=12), min_size=1, max_size=5)


def candidates(requests: list[list[float]]) -> Any:
    scores = np.array([score for request in requests for score in request], np.float32)
    splits = np.concatenate([[0], np.cumsum([len(request) for request in requests])]).astype(np.int64)
    return {"item_id": np.arange(len(scores), dtype=np.int32), "score": scores, "row_splits": splits}


def lists(made: Any) -> list[list[int]]:
    return [row.tolist() for row in np.split(made["item_id"], made["row_splits"][1:-1])]


@given(REQUESTS, st.integers(1, 8))
def test_each_request_gets_its_best_candidates_in_order_and_ties_keep_input_order(
    requests: list[list[float]], k: int
) -> None:
    given_ = candidates(requests)
    made = Ordering(k)(given_)
    offsets = given_["row_splits"]
    expected = [
        [int(offset) + position for position in sorted(range(len(row)), key=lambda position: -row[position])[:k]]
        for row, offset in zip(requests, offsets[:-1], strict=True)
    ]
    assert lists(made) == expected
    np.testing.assert_array_equal(made["score"], given_["score"][made["item_id"]])


@given(REQUESTS, st.integers(1, 8), st.integers(0, 99))
def test_a_sample_has_each_candidate_once_and_equal_seeds_give_equal_samples(
    requests: list[list[float]], k: int, seed: int
) -> None:
    given_ = candidates(requests)
    made = Ordering(k, diversity=True, seed=seed)(given_)
    again = Ordering(k, diversity=True, seed=seed)(given_)
    assert lists(made) == lists(again)
    for row, drawn, offset in zip(requests, lists(made), given_["row_splits"][:-1], strict=True):
        assert len(drawn) == len(set(drawn)) == min(k, len(row))
        assert all(offset <= item < offset + len(row) for item in drawn)


def test_a_sample_draws_the_first_by_the_exponential_of_its_score() -> None:
    ordering = Ordering(1, diversity=True)
    scores = np.array([0.50, 0.45, 0.40], np.float32)
    firsts = ordering(candidates([scores.tolist()] * 20_000))["item_id"] % 3
    weights = np.exp(20 * scores)
    np.testing.assert_allclose(np.bincount(firsts) / 20_000, weights / weights.sum(), atol=0.01)


def test_without_row_splits_there_is_one_request() -> None:
    made = Ordering(2)({"item_id": np.array([3, 4, 5]), "score": np.array([0.1, 0.9, 0.5], np.float32)})
    assert made["item_id"].tolist() == [4, 5]
    assert made["row_splits"].tolist() == [0, 2]


def test_the_list_is_decoded_to_raw_ids() -> None:
    made = Decoder(make_lookups(make_catalog(50), 20), "4f2a")(
        {"item_id": np.array([3, 52, 4], np.int32), "score": np.array([0.9, 0.5, 0.1], np.float32)}
    )
    assert made["ordered_ids"].tolist() == [10, 157, 13]
    assert made["ordered_ids"].dtype == np.int32
    np.testing.assert_array_equal(made["ordered_scores"], np.array([0.9, 0.5, 0.1], np.float32))
    assert made["bundle_id"].tolist() == [b"4f2a"]


@given(REQUESTS, st.data())
def test_top_k_returns_the_beginning_of_the_full_list(requests: list[list[float]], data: st.DataObject) -> None:
    given_, longest = candidates(requests), 8
    wanted = [data.draw(st.sampled_from([-1, 1, 3, longest])) for _ in requests]
    whole = lists(Ordering(longest)(given_))
    some = lists(Ordering(longest)(given_ | {"top_k": np.array(wanted, np.int32)}))
    assert some == [row if k == -1 else row[:k] for row, k in zip(whole, wanted, strict=True)]


def test_each_request_selects_sampling_or_sorting() -> None:
    given_ = candidates([np.linspace(0.5, 0.6, 12).tolist()] * 3)
    for diversity in (False, True):
        made = lists(Ordering(12, diversity=diversity, seed=1)(given_ | {"diversity": np.array([-1, 0, 1], np.int32)}))
        is_sorted = [row == sorted(row, reverse=True) for row in made]
        assert is_sorted == [not diversity, True, False]


def test_more_than_the_longest_list_is_refused() -> None:
    with pytest.raises(RequestError, match="top_k must be 1 to 8"):
        Ordering(8)(candidates([[0.5]]) | {"top_k": np.array([9], np.int32)})
