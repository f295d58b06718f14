"""Codes of ids: they only grow, every id comes back, and numbers stay numbers."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_assets.sources.shop.codes import ITEM, OWN_NUMBERS, USER, Codes

TEXTS = st.text(min_size=1, max_size=5) | st.integers(-2, 9).map(str) | st.sampled_from(["007", "1.0", "99999999999"])
IDS = st.lists(TEXTS, max_size=8) | st.lists(st.integers(0, 50).map(str), max_size=8)


def texts(values: list[str]) -> pl.Series:
    return pl.Series(values, dtype=pl.String)


@settings(deadline=None)
@given(st.lists(IDS, max_size=4))
def test_an_id_keeps_its_code_and_comes_back_as_it_was(batches: list[list[str]]) -> None:
    codes, seen = Codes.empty(), dict[str, int]()
    for batch in batches:
        codes = codes.extended({USER: texts(batch)})
        for value, code in zip(batch, codes.encode(USER, texts(batch)), strict=True):
            assert seen.setdefault(value, code) == code
    assert len(set(seen.values())) == len(seen) and min(seen.values(), default=0) >= 0
    assert codes.decode(USER, codes.encode(USER, texts(list(seen)))).to_list() == list(seen)


def test_numbers_are_their_own_codes_until_another_text_comes() -> None:
    codes = Codes.empty().extended({USER: texts(["12", "7"])}).extended({USER: texts(["900"])})
    assert codes.encode(USER, texts(["7", "12", "900"])).to_list() == [7, 12, 900]
    mixed = codes.extended({USER: texts(["ann", "8"])})
    assert mixed.encode(USER, texts(["7", "900", "8", "ann"])).to_list() == [7, 900, 901, 902]
    for other in ("007", "-1", "1.0", "A", str(OWN_NUMBERS)):
        assert Codes.empty().extended({USER: texts([other, "5"])}).encode(USER, texts(["5"])).item() in (0, 1)


def test_kinds_have_codes_of_their_own_and_unknown_ids_have_none(tmp_path: Path) -> None:
    codes = Codes.empty().extended({USER: texts(["ann", "bob"]), ITEM: texts(["0042"])})
    codes.save(tmp_path)
    again = Codes.load(tmp_path)
    assert again.encode(ITEM, texts(["0042", "42"])).to_list() == [0, -1]
    assert again.encode(USER, pl.Series(["bob", None], dtype=pl.String)).to_list() == [1, -1]
    assert again.decode(USER, pl.Series([1, 7])).to_list() == ["bob", None]


def test_a_frame_for_people_has_the_texts_of_a_shop_and_the_numbers_of_others() -> None:
    frame = pl.DataFrame({"user_id": [1, 0], "item_id": [0, 9], "timestamp": [5, 6]})
    codes = Codes.empty().extended({USER: texts(["ann", "bob"]), ITEM: texts(["0042"])})
    assert codes.with_texts(frame).rows() == [("bob", "0042", 5), ("ann", None, 6)]
    assert Codes.empty().with_texts(frame).equals(frame)


@pytest.mark.parametrize("names", [["ann", "bob"], ["7", "9"]])
def test_a_retired_code_is_never_used_again(names: list[str]) -> None:
    codes = Codes.empty().extended({USER: texts(names), ITEM: texts(names)})
    before = codes.encode(USER, texts(names)).to_list()
    retired = codes.retired(USER, texts(names[:1]))
    assert retired.encode(USER, texts(names)).to_list() == [-1, before[1]]
    assert retired.decode(USER, pl.Series(before)).to_list() == [None, names[1]]
    assert retired.encode(ITEM, texts(names)).to_list() == codes.encode(ITEM, texts(names)).to_list()
    again = retired.extended({USER: texts([names[0], "new"])})
    later = again.encode(USER, texts([names[0], "new"])).to_list()
    assert not set(later) & set(before) and len(set(later)) == 2
