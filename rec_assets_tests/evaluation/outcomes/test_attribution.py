from hypothesis import given
from hypothesis import strategies as st

from rec_assets.evaluation.outcomes.attribution import attribute
from rec_assets.evaluation.outcomes.shown import SHOWN
from rec_assets_tests.evaluation.outcomes.shown_lists import ANSWERS, EVENTS, interactions_of, shown_of


def one_by_one(
    answers: list[tuple[int, int, list[int]]], events: list[tuple[int, int, int, str]], window_s: int
) -> set[tuple[str, int, int, int, str, int]]:
    """Attributes each event by a search of all answers."""
    first: dict[tuple[str, int, int, int, str], int] = {}
    for user, item, at, kind in events:
        showed = [
            (ms, f"a{n}", items.index(item) + 1)
            for n, (ms, owner, items) in enumerate(answers)
            if owner == user and item in items and ms // 1000 <= at
        ]
        if showed and at - max(showed)[0] // 1000 <= window_s:
            _, answer, position = max(showed)
            key = (answer, user, item, position, kind)
            first[key] = min(at, first.get(key, at))
    return {(*key, at) for key, at in first.items()}


@given(answers=ANSWERS, events=EVENTS, window_s=st.integers(0, 8))
def test_an_interaction_counts_once_for_the_latest_answer_that_showed_the_item(
    answers: list[tuple[int, int, list[int]]], events: list[tuple[int, int, int, str]], window_s: int
) -> None:
    found = attribute(shown_of(answers), interactions_of(events), window_s)
    assert set(found.rows()) == one_by_one(answers, events, window_s)
    assert found.height == len(set(found.rows()))


def test_two_clicks_are_one_outcome_and_a_purchase_is_another() -> None:
    shown = shown_of([(36_000_000, 1, [8, 7]), (37_200_500, 1, [7])])
    events = [(1, 7, 36_600), (1, 7, 37_800), (1, 7, 38_400), (1, 7, 41_400), (2, 7, 37_800), (1, 9, 37_800)]
    clicks = [(*event, "clicked") for event in events]
    found = attribute(shown, interactions_of([*clicks, (1, 7, 37_900, "bought")]), 3_600)
    assert found.select("answer_id", "position", "kind", "at").rows() == [
        ("a0", 2, "clicked", 36_600),
        ("a1", 1, "bought", 37_900),
        ("a1", 1, "clicked", 37_800),
    ]


@given(ANSWERS)
def test_shown_rows_have_the_items_of_each_answer_in_order(answers: list[tuple[int, int, list[int]]]) -> None:
    shown = shown_of(answers)
    assert dict(shown.schema) == SHOWN
    for number, (_, _, items) in enumerate(answers):
        rows = shown.filter(answer_id=f"a{number}")
        assert rows.select("position", "item_id").rows() == list(enumerate(items, start=1))
