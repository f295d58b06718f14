import numpy as np
import pytest

from rec_assets.datasets import ranking_features
from rec_assets.datasets.ranking_features import all_signals, signals_of
from rec_assets.features.columns import SIGNALS
from rec_assets_tests.datasets.random_inputs import ranking_inputs


@pytest.mark.parametrize("at_a_time", [1, 2, 100])
def test_signals_do_not_depend_on_how_many_requests_are_computed_at_a_time(
    at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking_features, "REQUESTS_AT_A_TIME", at_a_time)
    given = ranking_inputs(seed=1)
    whole, parts = signals_of(*given), all_signals(*given)
    assert set(whole) == {"item_id", *SIGNALS}
    for number, name in enumerate(SIGNALS):
        np.testing.assert_array_equal(parts[..., number], whole[name])


def test_times_chosen_are_those_of_the_requests_own_history() -> None:
    candidates, past, timestamps, table, near = ranking_inputs(seed=2)
    counts = np.expm1(signals_of(candidates, past, timestamps, table, near)["times_chosen"])
    expected = [
        [int((history == item).sum()) for item in row]
        for history, row in zip(past.item_ids, candidates.item_ids, strict=True)
    ]
    np.testing.assert_allclose(counts, expected, atol=1e-5)
