import numpy as np

from rec_assets.features.signals.item_groups import item_groups

FIRST = 3


def test_a_shops_own_categories_are_the_groups() -> None:
    l1, l2 = np.array([2, 2, 2, 3, 4]), np.array([2, 2, 2, 5, 6])
    groups = item_groups(l1, l2, np.ones((5, 4), np.float32), FIRST)
    assert (groups.l1.tolist(), groups.l2.tolist()) == (l1.tolist(), l2.tolist())


def test_without_categories_similar_texts_are_a_group() -> None:
    topics = np.eye(4, dtype=np.float32)[np.arange(400) % 4]
    content = np.concatenate([np.zeros((FIRST, 4), np.float32), topics])
    none = np.full(len(content), 2)
    groups, again = (item_groups(none, none, content, FIRST) for _ in range(2))
    for level in (groups.l1, groups.l2):
        assert level[:FIRST].tolist() == [0, 0, 0]
        by_topic = [set(level[FIRST + topic :: 4].tolist()) for topic in range(4)]
        assert all(not one & other for n, one in enumerate(by_topic) for other in by_topic[:n])
    assert groups.l2.tolist() == again.l2.tolist()


def test_without_categories_and_texts_all_items_are_one_group() -> None:
    none = np.full(9, 2)
    groups = item_groups(none, none, np.zeros((9, 4), np.float32), FIRST)
    assert set(groups.l1.tolist()) == {2}
