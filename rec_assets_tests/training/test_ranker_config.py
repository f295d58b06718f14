"""Size of the ranker's steps by the number of requests."""

from hypothesis import given
from hypothesis import strategies as st

from rec_assets.training.ranking.train import RankerConfig

CONFIG = RankerConfig(horizon_days=1)


@given(st.integers(0, 100_000))
def test_an_epoch_has_enough_steps_and_no_step_is_tiny_or_larger_than_set(requests: int) -> None:
    size = CONFIG.with_steps_for(requests).batch_size
    assert CONFIG.least_lists <= size <= CONFIG.batch_size
    lists = 2 * requests
    assert size == CONFIG.least_lists or lists / size >= CONFIG.least_steps


def test_shops_with_thousands_of_requests_train_with_the_steps_that_were_measured() -> None:
    assert CONFIG.with_steps_for(2_048).batch_size == CONFIG.batch_size == 512
