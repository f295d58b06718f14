import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.serving.triton.graph_model import lists_of

LISTS = st.lists(st.lists(st.integers(1, 99), max_size=5), min_size=1, max_size=6)


@given(LISTS, st.data())
def test_a_request_gets_the_lists_of_its_users_padded_to_the_longest_one(
    lists: list[list[int]], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(lists) - 1))
    end = data.draw(st.integers(first + 1, len(lists)))
    flat = [item for one in lists for item in one]
    made = {
        "ordered_ids": np.array(flat, np.int32),
        "ordered_scores": np.array(flat, np.float32) / 100,
        "bundle_id": np.full(len(lists), b"4f2a", np.object_),
        "answer_id": np.array([b"%d" % number for number in range(len(lists))], np.object_),
        "row_splits": np.cumsum([0, *map(len, lists)]),
    }
    cut, expected = lists_of(made, first, end), lists[first:end]
    longest = max(map(len, expected))
    assert cut["ordered_ids"].tolist() == [one + [-1] * (longest - len(one)) for one in expected]
    np.testing.assert_allclose(cut["ordered_scores"], np.maximum(cut["ordered_ids"], 0) / 100, rtol=1e-6)
    assert cut["bundle_id"].tolist() == [[b"4f2a"]] * len(expected)
    assert cut["answer_id"].tolist() == [[b"%d" % number] for number in range(first, end)]
    assert [cut[name].dtype for name in ("ordered_ids", "ordered_scores")] == [np.int32, np.float32]
