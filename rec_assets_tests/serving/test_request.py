import numpy as np
import numpy.typing as npt
import pytest

from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import validate
from rec_assets.serving.graph.spec import RECENT_LENGTH


def test_missing_optional_inputs_are_filled_in() -> None:
    request = validate({"user_id": [7, 8]})
    recent = request.pop("recent")
    assert (recent.shape, set(recent.ravel().tolist())) == ((2, RECENT_LENGTH, 2), {-1})
    assert {name: values.tolist() for name, values in request.items()} == {
        "user_id": [7, 8],
        "device_type": [-1, -1],
        "timestamp": [0, 0],
        "top_k": [-1, -1],
        "diversity": [-1, -1],
        "filters": ["", ""],
    }
    del request["filters"]
    assert all(values.dtype == np.int32 for values in (recent, *request.values()))


@pytest.mark.parametrize("more_axes", [False, True])
def test_a_session_is_padded_to_its_maximum(more_axes: bool) -> None:
    pairs = np.array([[[10, 1], [13, 2]], [[16, 3], [-1, -1]]])
    recent = validate({"user_id": [7, 8], "recent": pairs[:, None] if more_axes else pairs})["recent"]
    assert recent.shape == (2, RECENT_LENGTH, 2)
    assert recent[:, :2].tolist() == pairs.tolist()
    assert (recent[:, 2:, 0] == -1).all()
    empty = validate({"user_id": [7], "recent": [[]]})["recent"]
    assert (empty == -1).all()


def test_columns_may_have_a_second_axis_of_one() -> None:
    request = validate({"user_id": np.array([[7], [8]], np.int64), "device_type": np.array([[1], [0]], np.int32)})
    assert request["user_id"].tolist() == [7, 8]
    assert request["device_type"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({}, "user_id is required"),
        ({"user_id": None}, "user_id is required"),
        ({"user_id": []}, "user_id is empty"),
        ({"user_id": [1.5]}, "user_id must be integers, not float64"),
        ({"user_id": ["7"]}, "user_id must be integers"),
        ({"user_id": [True]}, "user_id must be integers, not bool"),
        ({"user_id": 7}, r"user_id must have one value per user, not shape \[\]"),
        ({"user_id": [[7, 8]]}, r"user_id must have one value per user, not shape \[1, 2\]"),
        ({"user_id": [2**31]}, "user_id must fit 32 bits"),
        ({"user_id": [7], "timestamp": [-1]}, "timestamp must not be negative"),
        ({"user_id": [7], "top_k": [0]}, "top_k must be positive"),
        ({"user_id": [7], "top_k": [101]}, "top_k must be 1 to 100"),
        ({"user_id": [7], "diversity": [2]}, "diversity must be 0 or 1"),
        ({"user_id": [7], "device_type": [0, 1]}, "device_type has 2 values, expected 1"),
        ({"user_id": [7, 8], "timestamp": [1]}, "timestamp has 1 values, expected 2"),
        ({"user_id": [7, 8], "recent": [[(1, 2)]]}, "recent has 1 sessions, expected 2"),
        ({"user_id": [7], "recent": [[(1, 2, 3)]]}, r"pairs of item and time per user, not shape \[1, 1, 3\]"),
        ({"user_id": [7], "recent": [[(1, 2)] * 51]}, "at most 50 items, not 51"),
        ({"user_id": [7], "recent": [[(1, 2), (3,)]]}, "recent must be integers"),
        ({"user_id": [7], "recent": [[(1.5, 2)]]}, "recent must be integers"),
        ({"user_id": [7], "recent": [[(2**31, 2)]]}, "recent must fit 32 bits"),
        ({"user_id": [7], "recent": [[(-2, 2)]]}, "recent must not have negative"),
        ({"user_id": [7], "recent": [[(1, -2)]]}, "recent must not have negative"),
    ],
)
def test_an_invalid_request_gets_a_short_message(request_: dict[str, npt.ArrayLike | None], complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint):
        validate(request_, longest=100)


def test_more_than_one_user_is_refused_where_one_is_expected() -> None:
    assert validate({"user_id": [7]}, one_user=True)["user_id"].tolist() == [7]
    with pytest.raises(RequestError, match="user_id has 2 users, expected one"):
        validate({"user_id": [7, 8]}, one_user=True)
