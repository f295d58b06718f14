from hypothesis import given
from hypothesis import strategies as st

from rec_assets.common.seeds import seed_for


@given(st.integers(0, 10**6), st.text(), st.dates())
def test_a_seed_fits_every_library_and_depends_on_all_it_is_made_from(base: int, asset: str, day: object) -> None:
    seed = seed_for(base, asset, str(day))
    assert 0 <= seed < 2**31
    assert seed == seed_for(base, asset, str(day))
    assert len({seed, seed_for(base + 1, asset, str(day)), seed_for(base, asset + "x", str(day))}) == 3
