from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.cli.items import print_items
from rec_assets.common.decimals import decimal


def item(item_id: str, **facts: Any) -> dict[str, Any]:
    return {"item_id": item_id, "title": "Lamp", "category_l1": None, "category_l2": None, "price": 2.0} | facts


@pytest.mark.parametrize(
    ("second", "headings"),
    [
        ({}, ("item", "title", "price", "score")),
        ({"category_l1": "Light"}, ("item", "title", "category", "price", "score")),
    ],
)
def test_a_fact_that_no_item_has_is_no_column(
    second: dict[str, Any], headings: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    print_items("Two lamps", "score", [item("a"), item("b", **second)], ["0.5", "0.4"])
    lines = capsys.readouterr().out.splitlines()
    assert tuple(lines[2].replace("┃", " ").split()) == headings


@given(st.floats(width=32, allow_nan=False))
def test_a_decimal_stands_for_the_same_float32(value: float) -> None:
    assert np.float32(decimal(value)) == np.float32(value)


def test_a_price_is_the_decimal_that_the_shop_wrote() -> None:
    assert [decimal(np.float32(price)) for price in (4.95, 0.1, 1999.99)] == [4.95, 0.1, 1999.99]
