from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.features.store.item_attributes import ItemAttributes
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.rules.active import ActiveRules, ItemGroups
from rec_assets.serving.rules.rules import Rules, parse_rules

NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)
# Raw items 10, 13, … 28 with codes 3 to 9; categories 0, 1, 0, 1, … and 0, 1, 2, 0, 1, …
# Brands 5, 5, 5, 5, 6, none, none; stocks 0, 10, … 50, none.
RAW = np.arange(10, 31, 3, dtype=np.int32)
STOCK = np.array([0, 10, 20, 30, 40, 50, np.nan], np.float32)
ITEMS = ItemGroups(
    RAW,
    np.arange(3, 10, dtype=np.int32),
    {"category_l1": np.arange(7, dtype=np.int32) % 2, "category_l2": np.arange(7, dtype=np.int32) % 3},
    10,
).with_attributes(ItemAttributes(RAW, np.array([5, 5, 5, 5, 6, -1, -1], np.int32), np.full_like(STOCK, np.nan), STOCK))
CODES = ITEMS.codes


def active(text: str, at: datetime = NOON) -> ActiveRules | None:
    return ActiveRules.of(Rules[int].model_validate(parse_rules(text).model_dump()), ITEMS, at)


def found(text: str, at: datetime = NOON) -> ActiveRules:
    rules = active(text, at)
    assert rules is not None
    return rules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[boost]]\nname = "spring"\nfactor = 0.5\nitems = [1]', r"rule 'spring' \(boost\): factor .*greater than 1"),
        ('[[block]]\nname = "all"', r"rule 'all' \(block\): name 'items', .* or 'brand'"),
        ("[[block]]\nitems = [1]", r"rule 1 without a name \(block\): name Field required"),
        (
            '[[pin]]\nname = "hero"\nitem = 1\nposition = 0',
            r"rule 'hero' \(pin\): position .*greater than or equal to 1",
        ),
        ('[[cap]]\nname = "few"\nat_most = 2', r"rule 'few' \(cap\): give either 'each'"),
        ('[[blok]]\nname = "a"', r"blok is unknown, expected block, boost, bury, weigh, pin, cap"),
        (
            '[[weigh]]\nname="a"\nby="price"\nvalues=[0,1]\nfactors=[1,2]',
            r"rule 'a' \(weigh\): by .*'margin' or 'stock'",
        ),
        ('[[weigh]]\nname="a"\nby="stock"\nvalues=[1,1]\nfactors=[1,2]', r"rule 'a' \(weigh\): 'values' must ascend"),
        ('[[weigh]]\nname="a"\nby="stock"\nvalues=[0,1]\nfactors=[1]', r"'values' and 'factors' must have the same"),
        ('[[weigh]]\nname="a"\nby="stock"\nvalues=[0,1]\nfactors=[1,200]', r"factors .*less than or equal to 100"),
        ('[[block]]\nname = "a"\nitem = [1]', r"rule 'a' \(block\): item is not a field of this rule"),
        ('[[block]]\nname="a"\nitems=[1]\n[[block]]\nname="a"\nitems=[2]', r"two rules have the name 'a'"),
        ('[[block]]\nname="a"\nitems=[1]\nfrom=2025-03-02\nuntil=2025-03-01', r"'until' must be after 'from'"),
        ("block", "is not valid TOML"),
        ('block = "all"', "block"),
    ],
)
def test_a_wrong_file_is_refused_with_the_name_of_the_rule(text: str, message: str) -> None:
    with pytest.raises(ActionableError, match=message):
        parse_rules(text)


def test_a_rule_is_active_from_its_start_until_its_end() -> None:
    text = '[[block]]\nname = "a"\nitems = [10]\nfrom = 2025-03-10T12:00:00Z\nuntil = 2025-03-11'
    times = [
        NOON - timedelta(seconds=1),
        NOON,
        datetime(2025, 3, 10, 23, 59, tzinfo=UTC),
        datetime(2025, 3, 11, tzinfo=UTC),
    ]
    assert [active(text, at) is not None for at in times] == [False, True, True, False]


def test_blocks_name_items_and_categories_and_also_items_outside_the_catalog() -> None:
    rules = found('[[block]]\nname = "a"\nitems = [13, 999]\n[[block]]\nname = "b"\ncategory_l2 = [2]')
    assert rules.blocked.ids.tolist() == [13, 16, 25, 999]
    assert rules.factors is None and not rules.caps and not rules.pins


def test_factors_of_several_rules_multiply() -> None:
    rules = found(
        '[[boost]]\nname = "a"\nfactor = 2.0\ncategory_l1 = [1]\n[[bury]]\nname = "b"\nfactor = 0.5\nitems = [10, 13]'
    )
    assert rules.factored(np.full(7, 0.2, np.float32), CODES).tolist() == pytest.approx(
        [0.1, 0.2, 0.2, 0.4, 0.2, 0.4, 0.2]
    )


def test_the_factor_of_a_stock_follows_lines_between_points_and_is_one_without_a_stock() -> None:
    rules = found(
        '[[weigh]]\nname = "a"\nby = "stock"\nvalues = [10, 30, 40]\nfactors = [0.5, 1.0, 2.0]\n'
        '[[weigh]]\nname = "b"\nby = "margin"\nvalues = [0, 1]\nfactors = [0, 9]'
    )
    assert rules.factors is not None
    assert rules.factors[CODES].tolist() == [0.5, 0.5, 0.75, 1, 2, 2, 1]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('[[block]]\nname = "a"\nitems = [13]', set()),
        ('[[block]]\nname = "a"\nbrand = [5]', {"brand"}),
        ('[[cap]]\nname = "a"\nat_most = 1\neach = "brand"', {"brand"}),
        ('[[weigh]]\nname = "a"\nby = "stock"\nvalues = [0, 1]\nfactors = [0, 1]', {"stock"}),
    ],
)
def test_only_the_attributes_that_a_rule_reads_are_kept_for_the_answers(text: str, names: set[str]) -> None:
    attributes = found(text).attributes
    assert attributes.keys() == names
    if "brand" in names:
        assert attributes["brand"][CODES].tolist() == [5, 5, 5, 5, 6, -1, -1]
    if "stock" in names:
        np.testing.assert_equal(attributes["stock"][CODES], STOCK)


def test_rules_select_pin_and_cap_by_brand() -> None:
    keys = np.linspace(1, 0, 7)
    assert found('[[block]]\nname = "a"\nbrand = [6]\nitems = [13]').blocked.ids.tolist() == [13, 22]
    # Items without a brand are in no group.
    each = found('[[cap]]\nname = "a"\nat_most = 1\neach = "brand"')
    assert each.order(CODES, keys, 7).tolist() == [0, 4, 5, 6]
    pin = found('[[pin]]\nname = "a"\nitem = 22\nposition = 1\nbrand = [6]')
    assert len(pin.pins_for(Filters[int](brand=[6]))) == 1 and not pin.pins_for(Filters[int](brand=[5, 6]))


def test_a_cap_counts_the_selected_items_or_those_of_each_category() -> None:
    keys = np.linspace(1, 0, 7)
    selected = found('[[cap]]\nname = "a"\nat_most = 1\ncategory_l1 = [0]')
    assert selected.order(CODES, keys, 7).tolist() == [0, 1, 3, 5]
    each = found('[[cap]]\nname = "a"\nat_most = 2\neach = "category_l1"')
    assert each.order(CODES, keys, 7).tolist() == [0, 1, 2, 3]


def test_a_pin_with_a_category_acts_only_in_lists_within_it() -> None:
    rules = found('[[pin]]\nname = "a"\nitem = 22\nposition = 2\ncategory_l1 = [0, 1]')
    keys, within = np.linspace(1, 0, 7), Filters[int](category_l1=[1])
    assert rules.order(CODES, keys, 3, rules.pins_for(within)).tolist() == [0, 4, 1]
    for other in (None, Filters[int](), Filters[int](category_l1=[1, 2]), Filters[int](category_l2=[1])):
        assert rules.pins_for(other) == []


def test_the_first_pin_of_a_position_or_an_item_counts_and_one_beyond_the_list_does_not() -> None:
    rules = found(
        "".join(
            f'[[pin]]\nname = "{n}"\nitem = {i}\nposition = {p}\n'
            for n, i, p in [(1, 22, 1), (2, 25, 1), (3, 22, 3), (4, 28, 9)]
        )
    )
    pins = rules.pins_for(None)
    assert [(pin.item_id, pin.position) for pin in pins] == [(22, 0), (28, 8)]
    assert rules.order(CODES, np.linspace(1, 0, 7), 3, pins).tolist() == [4, 0, 1]
