from typing import Any

import numpy as np
import pytest

from rec_assets.common.compiled import compiled

SOURCE = """
def add(values, factor, result):
    for place in range(len(values)):
        result[place] += factor * values[place]
"""


@pytest.fixture(scope="module")
def add() -> Any:
    """A compiled function without a file beside which its machine code could be kept."""
    names: dict[str, Any] = {}
    exec(SOURCE, names)
    return compiled("float32[:]", "float64", "float64[:]!")(names["add"])


def test_arrays_may_be_read_only_and_have_strides(add: Any) -> None:
    values, result = np.arange(6, dtype=np.float32)[::2], np.ones(3)
    values.flags.writeable = False
    add(values, 2.0, result)
    assert result.tolist() == [1, 5, 9]


def test_an_array_of_another_type_compiles_nothing_and_is_refused(add: Any) -> None:
    with pytest.raises(TypeError, match="No matching definition"):
        add(np.arange(3), 2.0, np.ones(3))
    assert len(add.signatures) == 1
