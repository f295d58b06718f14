from typing import Any

import pytest

from rec_assets.cli.items import print_items


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
