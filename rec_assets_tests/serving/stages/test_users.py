import logging

import numpy as np
import pytest

from rec_assets.features.online import OnlineRows
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.request import RequestError
from rec_assets.serving.stages.users import UserLookup, UserTransform

STORED = OnlineRows(
    np.array([True, False, True]),
    {
        "age": np.array([30, np.nan, np.nan], np.float32),
        "gender": np.array([1, -1, 0], np.int32),
        "top_category": np.array([2, -1, -1], np.int32),
    },
)
USERS = {"user_id": np.array([5, 99, 7], np.int32)}


def test_known_users_have_their_features_and_unknown_ones_are_strangers(tiny_bundle: Bundle) -> None:
    made = UserLookup(lambda _: STORED, tiny_bundle.lookups.age_mean)(USERS)
    assert made["user_id"].tolist() == [5, -1, 7]
    assert made["gender"].tolist() == [1, -1, 0]
    assert made["top_category"].tolist() == [2, -1, -1]
    np.testing.assert_array_equal(made["age"], np.array([30, 38.5, np.nan], np.float32))


def test_everyone_is_a_stranger_while_the_store_is_away_and_one_line_says_so(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[OnlineRows | Exception] = [OSError("gone"), OSError("gone"), STORED, OSError("gone again")]

    def read(_: object) -> OnlineRows:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    lookup = UserLookup(read, tiny_bundle.lookups.age_mean)
    with caplog.at_level(logging.WARNING):
        for users, lines in [([-1, -1, -1], 1), ([-1, -1, -1], 1), ([5, -1, 7], 1), ([-1, -1, -1], 2)]:
            assert lookup(USERS)["user_id"].tolist() == users
            assert len(caplog.records) == lines
    assert lookup.outage.missed_calls == 3
    assert "served as strangers: OSError: gone" in caplog.text


def test_a_request_that_is_wrong_is_not_an_outage(tiny_bundle: Bundle) -> None:
    with pytest.raises(RequestError, match="integers"):
        UserLookup(lambda _: STORED, 38.5)({"user_id": np.array([1.5])})


def test_features_are_encoded_and_strangers_are_out_of_vocabulary(tiny_bundle: Bundle) -> None:
    raw = {
        "user_id": np.array([1, 20, -1], np.int32),
        "age": np.array([50.75, np.nan, 38.5], np.float32),
        "gender": np.array([0, 1, -1], np.int32),
        "top_category": np.array([3, -1, -1], np.int32),
    }
    made = UserTransform(tiny_bundle.lookups)(raw)
    assert {name: values.tolist() for name, values in made.items()} == {
        "user_id": [3, 22, 2],
        "gender": [3, 4, 2],
        "top_category": [6, 2, 2],
        "age_norm": [1, 0, 0],
        "age_binned": [7, 6, 6],
    }
