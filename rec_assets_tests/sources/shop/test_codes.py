"""Codes of ids: they only grow, and every id comes back."""

from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.sources.shop.codes import ITEM, USER, Codes

IDS = st.lists(st.text(min_size=1, max_size=5), max_size=8)


def texts(values: list[str]) -> pl.Series:
    return pl.Series(values, dtype=pl.String)


@given(st.lists(IDS, max_size=4))
def test_an_id_keeps_its_code_and_comes_back_as_it_was(batches: list[list[str]]) -> None:
    codes, seen = Codes.empty(), dict[str, int]()
    for batch in batches:
        codes = codes.extended({USER: texts(batch)})
        for value, code in zip(batch, codes.encode(USER, texts(batch)), strict=True):
            assert seen.setdefault(value, code) == code
    assert sorted(seen.values()) == list(range(len(seen)))
    assert codes.decode(USER, codes.encode(USER, texts(list(seen)))).to_list() == list(seen)


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
