import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.common.id_set import IdSet

# Near ids share few last bits, and ids that differ by a power of two share many.
ids = st.lists(st.one_of(st.integers(-3, 40), st.sampled_from([n + 2**k for n in (0, 7) for k in range(5, 31)])))


@given(ids, ids)
def test_a_set_has_its_members_and_nothing_else(members: list[int], asked: list[int]) -> None:
    found = IdSet(np.array(members, np.int32)).has(np.array(asked, np.int32))
    assert found.tolist() == [one in members for one in asked]
