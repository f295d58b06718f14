"""Pure logic of canaries: the users of a share, the counts of answers, and the decision to stop a bundle."""

import math
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.bundles.canary_record import Canary, CanaryRecord
from rec_assets.cli.models.canary import share_of
from rec_assets.common.errors import ActionableError
from rec_assets.realtime.log.behavior_log import BehaviorLog
from rec_assets.serving.canary.clicks import clicks_of
from rec_assets.serving.canary.route import Route
from rec_assets.serving.canary.tally import CANDIDATE, LIVE, Objectives, Tally, answered, failed
from rec_assets.serving.promotion.watch import broken_promotion
from rec_assets.serving.triton.control.counters import Counters, added

USERS = st.integers(0, 2**31 - 1)
SHARES = st.floats(0, 1)
TIMES = st.lists(st.floats(0.05, 60_000), min_size=1, max_size=60)
OBJECTIVES = Objectives(min_requests=10, max_errors=0.01, max_slowdown=2.0)


def route(share: float, bundle: str = "4f2a") -> Route:
    return Route(bundle_id=bundle, share=share, shadow=0.0)


def tally(times: list[float], errors: int = 0) -> Tally:
    counts = Counter(answered(LIVE, one) for one in times)
    return Tally.of(LIVE, {**counts, failed(LIVE): errors, answered(CANDIDATE, 1e6): 9})


@given(USERS, SHARES, SHARES)
def test_a_user_of_a_share_is_in_every_larger_share(user: int, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    assert route(larger).has(user) or not route(smaller).has(user)
    assert route(1.0).has(user) and not route(0.0).has(user)
    assert not route(1.0).has(-1)


def test_a_share_has_its_part_of_the_users_and_another_candidate_has_other_users() -> None:
    users = range(20_000)
    first, second = ({user for user in users if route(0.05, bundle).has(user)} for bundle in ("4f2a", "9c01"))
    # Five standard deviations of a binomial count.
    assert abs(len(first) - 1_000) < 5 * math.sqrt(950)
    assert abs(len(first & second) - 50) < 5 * math.sqrt(50)


@given(TIMES, st.floats(0.01, 1))
def test_a_quantile_of_a_tally_is_that_of_the_times_within_five_percent(times: list[float], share: float) -> None:
    exact = np.quantile(times, share, method="inverted_cdf")
    assert tally(times).quantile(share) == pytest.approx(exact, rel=0.05)


@given(TIMES, TIMES, st.integers(0, 50))
def test_the_counts_of_two_clients_add_up(first: list[float], second: list[float], errors: int) -> None:
    counts = Counter(answered(LIVE, one) for one in first) + Counter(answered(LIVE, one) for one in second)
    both = tally(first + second, errors)
    assert Tally.of(LIVE, counts).times == both.times
    assert both.requests == len(first) + len(second) + errors
    assert both.error_share == errors / both.requests


@given(TIMES, st.integers(0, 60))
def test_a_candidate_like_the_live_bundle_is_never_stopped(times: list[float], errors: int) -> None:
    assert OBJECTIVES.broken_by(tally(times, errors), tally(times, errors)) == ""


@pytest.mark.parametrize(
    ("candidate", "live", "reason"),
    [
        (tally([10.0] * 8, 1), tally([10.0] * 50), ""),  # too few requests
        (tally([10.0] * 9, 1), tally([10.0] * 50), "10.00% of 10 requests failed, 0.00% with the live bundle"),
        (tally([10.0] * 9, 1), tally([10.0] * 9, 1), ""),
        (tally([], 10), tally([], 0), "100.00% of 10 requests failed"),
        (tally([30.0] * 50), tally([10.0] * 50), "the p99 is 30.9 ms, 9.8 ms with the live bundle"),
        (tally([18.0] * 50), tally([10.0] * 50), ""),
        (tally([30.0] * 50), tally([10.0] * 9), ""),  # too few answers to compare with
    ],
)
def test_a_candidate_is_stopped_for_more_errors_or_a_longer_p99(candidate: Tally, live: Tally, reason: str) -> None:
    found = OBJECTIVES.broken_by(candidate, live)
    assert found.startswith(reason) and bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("new", "old", "reason"),
    [
        (Counters(9, 0, 90_000.0), Counters(), ""),  # too few requests
        (Counters(90, 10, 900.0), Counters(100, 0), "10.00% of 100 requests to m failed, 0.00% with the bundle before"),
        (Counters(90, 10, 900.0), Counters(90, 10), ""),
        (Counters(100, 0, 200_000.0), Counters(100, 0), "m answers in 2000 ms on average, more than 1000 ms"),
        (Counters(100, 0, 900.0), Counters(), ""),
    ],
)
def test_a_promotion_is_rolled_back_for_errors_or_slow_answers(new: Counters, old: Counters, reason: str) -> None:
    assert broken_promotion({"m": new}, {"m": old}, OBJECTIVES, max_ms=1_000.0) == reason


def test_the_counters_of_replicas_add_up() -> None:
    one, other = Counters(1, 2, 3.0), Counters(10, 20, 30.0)
    assert added([{"a": {"m": one}}, {}, {"a": {"m": other}, "b": {"m": one}}]) == {
        "a": {"m": Counters(11, 22, 33.0)},
        "b": {"m": one},
    }


def test_clicks_for_each_answer_are_those_of_the_groups_since_the_start(tmp_path: Path) -> None:
    half, start = route(0.5), datetime(2025, 3, 14, 12, tzinfo=UTC)
    at = int(start.timestamp())
    users = {half.has(user): user for user in range(1, 99)}
    inside, outside = users[True], users[False]
    rows = [
        (inside, 10, at, "clicked"),
        (inside, 11, at + 86_400, "clicked"),
        (inside, 12, at, "bought"),
        (inside, 13, at - 1, "clicked"),
        (outside, 10, at, "clicked"),
    ]
    columns = {"user_id": pl.Int32, "item_id": pl.Int32, "timestamp": pl.Int64, "kind": pl.String}
    events = pl.DataFrame(rows, schema=columns, orient="row")
    log = BehaviorLog(tmp_path, "worker")
    log.append(events.with_columns(device_type=pl.lit(0, pl.Int32), top_category=pl.lit(0, pl.Int32)))
    candidate, live = clicks_of(log, half, start, candidate_answers=10, live_answers=20)
    assert (candidate.clicks, candidate.per_answer, candidate.error) == (2, 0.2, 0.2)
    assert (live.clicks, live.per_answer, live.error) == (1, 0.05, 0.05)
    assert math.isnan(clicks_of(log, half, start, 0, 0)[0].per_answer)


def test_the_record_keeps_the_reasons_of_the_newest_stopped_bundles() -> None:
    canary = Canary(
        bundle_id="4f2a",
        models_id="m",
        asset="finetuned_bundle",
        partition="2025-03-14",
        digest="d",
        share=0.05,
        shadow=0.0,
        started_at=datetime(2025, 3, 14, tzinfo=UTC),
    )
    record = CanaryRecord(running=canary).with_stopped("other", "n", "slow")
    assert record.running == canary
    record = record.with_stopped("4f2a", "m", "fails")
    assert record.running is None
    assert record.stopped == {"other": "slow", "n": "slow", "4f2a": "fails", "m": "fails"}
    for number in range(30):
        record = record.with_stopped(f"b{number}", f"m{number}", "slow")
    assert len(record.stopped) == 40 and "b29" in record.stopped and "4f2a" not in record.stopped


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.05", 0.05), ("100%", 1.0), ("0", 0.0)])
def test_a_share_is_written_as_percent_or_as_a_number(text: str, share: float) -> None:
    assert share_of(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["5", "-1%", "101%", "five", "nan", ""])
def test_another_text_is_no_share(text: str) -> None:
    with pytest.raises(ActionableError, match="is not a share"):
        share_of(text)
