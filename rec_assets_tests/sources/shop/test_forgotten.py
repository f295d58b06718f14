"""A forgotten person stays out of every import, and comes back as a new person."""

from datetime import date
from pathlib import Path

import polars as pl

from rec_assets.sources import Codes
from rec_assets.sources.shop.codes import USER
from rec_assets.sources.shop.mapping import Days, Interactions, Shop
from rec_assets.sources.shop.source import ShopSource

ROWS = "who,what,when,price\nann,a,2025-03-03 09:00,5\nbob,a,2025-03-03 10:00,7\nbob,b,2025-03-04 10:00,7\n"
AFTER = 1741219200  # 6 March 2025


def opened(folder: Path, codes: Codes, rows: str = ROWS) -> ShopSource:
    (folder / "rows.csv").write_text(rows)
    interactions = Interactions(files="rows.csv", user="who", item="what", time="when")
    shop = Shop(name="s", days=Days(first=date(2025, 3, 3), count=9, train=1, valid=1), interactions=interactions)
    source = ShopSource(shop, folder, folder / "cache", codes)
    source.codes = codes.extended(source.identifiers())
    return source


def decoded(source: ShopSource) -> pl.DataFrame:
    days = [source.interactions(date(2025, 3, day)) for day in (3, 4, 7)]
    return source.codes.with_texts(pl.concat(days))


def test_a_forgotten_person_is_not_imported_again(tmp_path: Path) -> None:
    before = opened(tmp_path, Codes.empty())
    assert before.users().height == 2
    code = before.codes.encode(USER, pl.Series(["bob"])).item()
    codes = before.codes.without_person(code, AFTER)
    codes.save(tmp_path)
    again = opened(tmp_path, Codes.load(tmp_path))
    assert again.users()["user_id"].to_list() == before.codes.encode(USER, pl.Series(["ann"])).to_list()
    assert again.codes.decode(USER, pl.Series([code])).item() is None
    for file in (tmp_path / "codes.parquet", tmp_path / "forgotten.json", *(tmp_path / "cache").rglob("*.parquet")):
        assert b"bob" not in file.read_bytes()
    # Equal to a shop that never knew the person, but for the numbers.
    never = tmp_path / "never"
    never.mkdir()
    other = opened(never, Codes.empty(), "\n".join(line for line in ROWS.split("\n") if "bob" not in line))
    assert decoded(again).equals(decoded(other))
    assert again.catalog().equals(other.catalog())


def test_a_person_who_comes_back_gets_another_code(tmp_path: Path) -> None:
    before = opened(tmp_path, Codes.empty())
    code = before.codes.encode(USER, pl.Series(["bob"])).item()
    again = opened(tmp_path, before.codes.without_person(code, AFTER), ROWS + "bob,a,2025-03-07 10:00,7\n")
    assert decoded(again).filter(user_id="bob").height == 1
    assert again.codes.encode(USER, pl.Series(["bob"])).item() not in (-1, code)
