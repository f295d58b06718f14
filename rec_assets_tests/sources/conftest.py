"""A small generated shop, shared by the tests of this folder."""

import pytest

from rec_assets.sources.retail import RetailParameters, RetailSource

SMALL = RetailParameters(users=400, items=300, interactions_per_day=1_500, days=5, seed=7)


@pytest.fixture(scope="session")
def shop() -> RetailSource:
    return RetailSource(SMALL)
