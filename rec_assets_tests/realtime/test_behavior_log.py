from pathlib import Path

import polars as pl

from rec_assets.realtime.log.behavior_log import SCHEMA, BehaviorLog

NOON = 1_742_040_000  # 2025-03-15


def events(*rows: tuple[int, int, int]) -> pl.DataFrame:
    return pl.DataFrame([(u, i, -1, at, "clicked", -1) for u, i, at in rows], schema=SCHEMA, orient="row")


def known(log: BehaviorLog, day: str) -> list[tuple[int, int, int]]:
    return log.read(day).select("user_id", "item_id", "timestamp").rows()


def test_events_are_found_under_their_own_day_in_order(tmp_path: Path) -> None:
    BehaviorLog(tmp_path, "one").append(events((2, 10, NOON), (1, 10, NOON), (1, 11, NOON - 86_400)))
    log = BehaviorLog(tmp_path)
    assert log.days() == ["2025-03-14", "2025-03-15"]
    assert known(log, "2025-03-15") == [(1, 10, NOON), (2, 10, NOON)]
    assert known(log, "2025-03-14") == [(1, 11, NOON - 86_400)]
    assert known(log, "2025-03-16") == []
    assert dict(log.read("2025-03-16").schema) == SCHEMA


def test_what_two_workers_wrote_is_one_day_and_what_came_twice_is_there_once(tmp_path: Path) -> None:
    BehaviorLog(tmp_path, "one").append(events((1, 10, NOON), (1, 11, NOON + 1)))
    BehaviorLog(tmp_path, "two").append(events((1, 11, NOON + 1), (1, 12, NOON + 2)))
    BehaviorLog(tmp_path, "two").append(events((1, 12, NOON + 2)))
    assert known(BehaviorLog(tmp_path), "2025-03-15") == [(1, 10 + n, NOON + n) for n in range(3)]


def test_a_purchase_stays_before_a_click_of_the_same_second(tmp_path: Path) -> None:
    clicked = events((1, 10, NOON), (1, 11, NOON))
    bought = clicked.filter(item_id=11).with_columns(kind=pl.lit("bought"))
    for name, first, second in (("a", clicked, bought), ("b", bought, clicked)):
        BehaviorLog(tmp_path / name, "one").append(first)
        BehaviorLog(tmp_path / name, "two").append(second)
        log = BehaviorLog(tmp_path / name)
        assert log.read("2025-03-15").select("item_id", "kind").rows() == [(10, "clicked"), (11, "bought")]


def test_a_line_that_a_crash_cut_off_is_none_and_spoils_no_other(tmp_path: Path) -> None:
    log = BehaviorLog(tmp_path, "one")
    log.append(events((1, 10, NOON), (1, 11, NOON + 1)))
    (file,) = tmp_path.rglob("*.jsonl")
    whole = file.read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole)):
        file.write_bytes(whole[:cut])
        log.append(events((1, 12, NOON + 2)))
        rows = known(log, "2025-03-15")
        assert rows[0] == (1, 10, NOON) and rows[-1] == (1, 12, NOON + 2)
        assert set(rows) <= {(1, 10 + n, NOON + n) for n in range(3)}
    file.write_bytes(b'\n\xff\xfe{}\n{"user_id": null}\n' + whole)
    assert known(log, "2025-03-15") == [(1, 10, NOON), (1, 11, NOON + 1)]
