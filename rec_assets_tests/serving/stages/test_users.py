import logging
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.history import LENGTH, Ids, Times
from rec_assets.features.store.online import OnlineRows
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import sessions
from rec_assets.serving.stages.users import ReadUsers, UserLookup, UserTransform
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port

NOON, HOUR = 1_741_608_000, 3600
STORED = OnlineRows(
    np.array([True, False, True]),
    {
        "age": np.array([30, np.nan, np.nan], np.float32),
        "gender": np.array([1, -1, 0], np.int32),
        "top_category": np.array([2, -1, -1], np.int32),
    },
)
USERS: Any = {"user_id": np.array([5, 99, 7], np.int32)}
T = TypeVar("T")


def recent(*histories: list[tuple[int, int]]) -> tuple[Ids, Times]:
    """Returns histories of (raw item, time) pairs, padded as in `RecentItems.histories`."""
    items, times = np.full((len(histories), LENGTH), -1, np.int32), np.zeros((len(histories), LENGTH), np.int64)
    for row, history in enumerate(histories):
        items[row, : len(history)] = [item for item, _ in history]
        times[row, : len(history)] = [at for _, at in history]
    return items, times


RECENT = recent([(13, NOON), (10, NOON - HOUR)], [(16, NOON)], [])


def answering(answers: list[T | Exception]) -> Callable[[object], T]:
    """Returns a store that returns or raises the answers, one per call."""

    def read(_: object) -> T:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return read


def transform(bundle: Bundle, *histories: list[tuple[int, int]], now: int = NOON) -> Any:
    items, times = recent(*histories)
    missing = np.full(len(histories), -1, np.int32)
    features: Any = {"age": missing.astype(np.float32), "gender": missing, "top_category": missing}
    given: Any = {"recent_item_id": items, "recent_timestamp": times}
    given["timestamp"] = np.full(len(histories), now, np.int32)
    return UserTransform(bundle.lookups)(features | given)


def test_known_users_get_their_features_and_all_users_their_history(tiny_bundle: Bundle) -> None:
    made = UserLookup(lambda _: (STORED, RECENT), tiny_bundle.lookups.age_mean)(USERS)
    assert made["gender"].tolist() == [1, -1, 0]
    assert made["top_category"].tolist() == [2, -1, -1]
    np.testing.assert_array_equal(made["age"], np.array([30, 38.5, np.nan], np.float32))
    np.testing.assert_array_equal(made["recent_item_id"], RECENT[0])
    np.testing.assert_array_equal(made["recent_timestamp"], RECENT[1])


def test_anonymous_users_share_no_history(tiny_bundle: Bundle) -> None:
    made = UserLookup(lambda _: (STORED, RECENT), 38.5)({"user_id": np.array([5, -1, 7], np.int32)})
    assert made["recent_item_id"].max(axis=1).tolist() == [13, -1, -1]
    assert made["recent_timestamp"].max(axis=1).tolist() == [NOON, 0, 0]


def test_an_outage_of_the_store_removes_features_and_histories_and_logs_one_line(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    whole = STORED, RECENT
    read: ReadUsers = answering([OSError("gone"), OSError("gone"), whole, OSError("gone again")])
    lookup = UserLookup(read, tiny_bundle.lookups.age_mean)
    with caplog.at_level(logging.WARNING):
        for genders, newest, lines in [
            ([-1, -1, -1], -1, 1),
            ([-1, -1, -1], -1, 1),
            ([1, -1, 0], 13, 1),
            ([-1, -1, -1], -1, 2),
        ]:
            made = lookup(USERS)
            assert made["gender"].tolist() == genders
            assert made["recent_item_id"][0, 0] == newest
            assert (made["recent_item_id"].shape, made["recent_timestamp"].shape) == ((3, LENGTH), (3, LENGTH))
            assert len(caplog.records) == lines
    assert lookup.guard.missed_calls == 3
    assert "lists ignore user features and histories: OSError: gone" in caplog.text


def test_without_valkey_the_stage_loads_and_users_are_anonymous(tiny_bundle: Bundle) -> None:
    lookup = UserLookup.load(tiny_bundle, Settings(valkey_port=free_port()))
    made = lookup(USERS)
    assert (made["recent_item_id"] == -1).all() and (made["gender"] == -1).all()
    assert lookup.guard.missed_calls == 1


def test_an_invalid_request_is_not_an_outage(tiny_bundle: Bundle) -> None:
    with pytest.raises(RequestError, match="integers"):
        UserLookup(lambda _: (STORED, RECENT), 38.5)({"user_id": np.array([1.5])})


def test_features_are_encoded_and_missing_ones_are_out_of_vocabulary(tiny_bundle: Bundle) -> None:
    items, times = recent([], [], [])
    raw: Any = {
        "age": np.array([50.75, np.nan, 38.5], np.float32),
        "gender": np.array([0, 1, -1], np.int32),
        "top_category": np.array([3, -1, -1], np.int32),
        "recent_item_id": items,
        "recent_timestamp": times,
        "timestamp": np.full(3, NOON, np.int32),
    }
    made: Any = UserTransform(tiny_bundle.lookups)(raw)
    assert all((made.pop(f"history_{name}") == 0).all() for name in ("item_id", "timestamp", "hours"))
    assert {name: values.tolist() for name, values in made.items()} == {
        "gender": [3, 4, 2],
        "top_category": [6, 2, 2],
        "age_norm": [1, 0, 0],
        "age_binned": [7, 6, 6],
    }


def test_a_history_is_encoded_newest_first_and_a_new_item_is_unknown(tiny_bundle: Bundle) -> None:
    made = transform(tiny_bundle, [(13, NOON - HOUR), (9999, NOON - 2 * HOUR), (10, NOON - 36 * HOUR)], [])
    assert made["history_item_id"][:, :4].tolist() == [[4, 2, 3, 0], [0, 0, 0, 0]]
    assert made["history_timestamp"][0, :4].tolist() == [NOON - HOUR, NOON - 2 * HOUR, NOON - 36 * HOUR, 0]
    assert made["history_hours"][0, :4].tolist() == [1, 2, 36, 0]
    dtypes = [made[f"history_{name}"].dtype for name in ("item_id", "timestamp", "hours")]
    assert dtypes == [np.int32, np.int64, np.float32]


def test_a_session_gives_the_top_category_of_a_user_without_one(tiny_bundle: Bundle) -> None:
    items, times = recent([], [])
    session = sessions([[(13, NOON - HOUR), (16, NOON - 2), (13, NOON - 1)], [(16, NOON - 1), (-1, -1), (-1, -1)]], 2)
    raw: Any = {name: np.array([-1, 3], np.int32) for name in ("age", "gender", "top_category")}
    raw |= {"recent_item_id": items, "recent_timestamp": times, "timestamp": np.full(2, NOON, np.int32)}
    made = UserTransform.load(tiny_bundle, Settings())(raw | {"recent": session})
    # Item 13 has category 1, which is code 4. The second user has the stored category 3, which is code 6.
    assert made["top_category"].tolist() == [4, 6]
    assert made["history_item_id"][:, :4].tolist() == [[4, 5, 4, 0], [5, 0, 0, 0]]


def test_only_interactions_before_the_request_count(tiny_bundle: Bundle) -> None:
    made = transform(tiny_bundle, [(16, NOON + 1), (13, NOON), (10, NOON - 1)])
    assert made["history_item_id"][0, :3].tolist() == [3, 0, 0]
    assert made["history_timestamp"][0, :3].tolist() == [NOON - 1, 0, 0]
