import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_assets.datasets.item_neighbors import SHRINKAGE, item_neighbors
from rec_assets.features.history import LENGTH, InteractionLog

SIZE = 8


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(3, SIZE - 1)), min_size=1, max_size=40))
def test_weights_are_shrunk_cosines_of_the_items_users(pairs: list[tuple[int, int]]) -> None:
    users, items = (np.array([pair[n] for pair in pairs]) for n in range(2))
    near = item_neighbors(InteractionLog.of(users, np.arange(len(pairs)), items), SIZE)
    of_item = {item: {user for user, other in pairs if other == item} for item in range(SIZE)}
    for item in range(SIZE):
        found = {
            int(other): float(weight)
            for other, weight in zip(near.item_ids[item], near.weights[item], strict=True)
            if weight
        }
        expected = {
            other: len(of_item[item] & of_item[other])
            / np.sqrt((len(of_item[item]) + SHRINKAGE) * (len(of_item[other]) + SHRINKAGE))
            for other in range(SIZE)
            if other != item and of_item[item] & of_item[other]
        }
        assert found.keys() == expected.keys()
        np.testing.assert_allclose([found[other] for other in expected], list(expected.values()), rtol=1e-5)


def test_only_the_newest_interactions_of_a_user_count() -> None:
    items = np.concatenate([[3], np.full(LENGTH - 1, 4), [5]])
    near = item_neighbors(InteractionLog.of(np.zeros(len(items)), np.arange(len(items)), items), SIZE)
    assert not near.weights[3].any()
    assert near.item_ids[5, 0] == 4
