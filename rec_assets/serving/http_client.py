"""Client of `rec api` over HTTP, with the list methods of `serving.client.Client`. Needs neither Triton nor Valkey."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from urllib3 import BaseHTTPResponse, connection_from_url
from urllib3.exceptions import HTTPError, ProtocolError

from rec_assets.common.decimals import decimal
from rec_assets.common.errors import ActionableError
from rec_assets.realtime.events import Kind
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.graph.related_request import DEFAULT_LENGTH
from rec_assets.serving.health import Health
from rec_assets.serving.ids import UNKNOWN, Id
from rec_assets.serving.translation import Device, unix_seconds

TIMEOUT = 10.0  # seconds
CONNECTIONS = 16  # that stay open; more threads at a time open more


class Listed(Protocol):
    """The properties that the lists of both clients have; `serving.recommendations.Recommendations` describes them."""

    @property
    def ids(self) -> Sequence[Id]: ...  # noqa: D102
    @property
    def scores(self) -> npt.NDArray[np.float32]: ...  # noqa: D102
    @property
    def bundle_id(self) -> str: ...  # noqa: D102
    @property
    def milliseconds(self) -> float: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def answer_id(self) -> str: ...  # noqa: D102
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[Id, float]]: ...


class ListClient(Protocol):
    """The list methods of both clients; `serving.client.Client` describes them."""

    def recommend(  # noqa: D102
        self,
        user_id: Id,
        device_type: Device | None = None,
        timestamp: int | datetime | None = None,
        k: int | None = None,
        diversity: bool | None = None,
        recent: Iterable[tuple[Id, int | datetime]] = (),
        filters: Filters[Id] | None = None,
    ) -> Listed: ...
    def similar(  # noqa: D102
        self, item_id: Id, k: int = DEFAULT_LENGTH, *, user_id: Id = UNKNOWN
    ) -> Listed: ...
    def bought_together(  # noqa: D102
        self, item_ids: Sequence[Id], k: int = DEFAULT_LENGTH, *, complement: bool = False, user_id: Id = UNKNOWN
    ) -> Listed: ...
    def buy_again(  # noqa: D102
        self, user_id: Id, k: int = DEFAULT_LENGTH, timestamp: int | datetime | None = None
    ) -> Listed: ...


@dataclass(frozen=True)
class HttpList:
    """A list from the API.

    Attributes:
        ids: ids as the shop writes them, best first.
        scores: float32 [k].
        bundle_id: id of the bundle that made the list.
        milliseconds: time from request to response, measured in the client.
        reason: why a list of `buy_again` is empty; an empty text for other lists.
        answer_id: id of a list of `recommend`; an empty text for other lists.
    """

    ids: list[str]
    scores: npt.NDArray[np.float32]
    bundle_id: str
    milliseconds: float
    reason: str = ""
    answer_id: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[tuple[str, float]]:
        """Yields (item id, score) pairs, best first; a score is the shortest decimal of its float32."""
        return iter(zip(self.ids, map(decimal, self.scores), strict=True))


@dataclass(frozen=True)
class Recorded:
    """The result of recorded events.

    Attributes:
        recorded: number of events.
        applied: whether workers applied all of them within the wait; None without a wait.
    """

    recorded: int
    applied: bool | None


class HttpClient:
    """Asks a running `rec api` on connections that stay open; safe to keep and share between threads.

    Every method raises as described here.

    Raises:
        RequestError: an argument is invalid.
        ActionableError: the API is unreachable or refuses the key, or a server behind it does not answer.
    """

    def __init__(self, address: str = "http://127.0.0.1:8090", key: str = "") -> None:
        """Stores the address of the API and one of its keys; an API of this machine may have no keys."""
        if not address.startswith(("http://", "https://")):
            raise ActionableError(f"Invalid address of an API ('{address}').", "Write it as http://HOST:PORT.")
        self._address = address.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._prefix = urlsplit(self._address).path
        self._pool = connection_from_url(
            self._address, maxsize=CONNECTIONS, headers=headers, timeout=TIMEOUT, retries=False
        )

    def recommend(
        self,
        user_id: Id,
        device_type: Device | None = None,
        timestamp: int | datetime | None = None,
        k: int | None = None,
        diversity: bool | None = None,
        recent: Iterable[tuple[Id, int | datetime]] = (),
        filters: Filters[Id] | None = None,
    ) -> HttpList:
        """Returns a recommendation list for one user; arguments as for `Client.recommend`, -1 for an anonymous user."""
        body = {
            "user_id": _user(user_id),
            "device": device_type,
            "at": _seconds(timestamp),
            "k": k,
            "diversity": diversity,
            "recent": [{"item_id": str(item), "at": _seconds(at)} for item, at in recent],
            "filters": None if filters is None else _with_texts(filters),
        }
        return self._list("/recommend", body)

    def similar(self, item_id: Id, k: int = DEFAULT_LENGTH, *, user_id: Id = UNKNOWN) -> HttpList:
        """Returns the items most similar to an item; arguments as for `Client.similar`."""
        return self._list("/similar", {"item_id": str(item_id), "k": k, "user_id": _user(user_id)})

    def bought_together(
        self, item_ids: Sequence[Id], k: int = DEFAULT_LENGTH, *, complement: bool = False, user_id: Id = UNKNOWN
    ) -> HttpList:
        """Returns the items bought with a basket; arguments as for `Client.bought_together`."""
        body = {"item_ids": _texts(item_ids), "k": k, "complement": complement, "user_id": _user(user_id)}
        return self._list("/bought-together", body)

    def buy_again(self, user_id: Id, k: int = DEFAULT_LENGTH, timestamp: int | datetime | None = None) -> HttpList:
        """Returns the items that a user is due to buy again; arguments as for `Client.buy_again`."""
        return self._list("/buy-again", {"user_id": str(user_id), "k": k, "at": _seconds(timestamp)})

    def trending(self, k: int = 10, category: Id | None = None) -> list[tuple[str, int]]:
        """Returns at most `k` pairs of item id and interactions of the last week, most popular first."""
        query = {"k": k} | ({} if category is None else {"category": str(category)})
        found = self._ask(f"/trending?{urlencode(query)}")
        return [(one["item_id"], one["interactions"]) for one in found["items"]]

    def record(
        self,
        user_id: Id,
        item_ids: Sequence[Id],
        at: int | datetime | None = None,
        kind: Kind = "clicked",
        device_type: Device | None = None,
        *,
        wait_s: float = 0,
    ) -> Recorded:
        """Reports interactions of a user, at most 100. Arguments as for `Client.record`, and the following.

        Args:
            wait_s: seconds to wait until workers applied the events, at most 5, so that the next list has them.
        """
        common = {
            "user_id": str(user_id),
            "at": int(time.time()) if at is None else _seconds(at),
            "kind": kind,
            "device": device_type,
        }
        events = [{**common, "item_id": item} for item in _texts(item_ids)]
        return _recorded(self._ask("/events", {"events": events, "wait_s": wait_s}))

    def forget(self, user_id: Id, *, wait_s: float = 0) -> Recorded:
        """Reports a forget request, as `Client.forget`; `wait_s` as for `record`."""
        return _recorded(self._ask(f"{_person_path(user_id)}/forget?{urlencode({'wait_s': wait_s})}", {}))

    def health(self) -> Health:
        """Returns the state of the servers behind the API, with what is wrong and the next steps; needs no key."""
        answer = self._answer("GET", "/health")
        try:
            return Health.model_validate_json(answer.data)
        except ValidationError:  # a problem of the API itself
            raise _translated(answer) from None

    def person(self, user_id: Id) -> dict[str, Any]:
        """Returns what requests read about a person, as `GET /people/{id}` of docs/api.md."""
        found: dict[str, Any] = self._ask(_person_path(user_id))
        return found

    def forget_person(self, user_id: Id) -> int:
        """Deletes a person; returns the number of keys that were deleted at once. Dagster deletes the rest later."""
        return int(self._ask(_person_path(user_id), method="DELETE")["deleted"])

    def _list(self, path: str, body: Mapping[str, object]) -> HttpList:
        start = time.perf_counter()
        found = self._ask(path, {name: value for name, value in body.items() if value is not None})
        elapsed = 1000 * (time.perf_counter() - start)
        items = found["items"]
        scores = np.array([one["score"] for one in items], np.float32)
        ids = [one["item_id"] for one in items]
        reason, answer_id = found.get("reason", ""), found.get("answer_id", "")
        return HttpList(ids, scores, found["bundle_id"], elapsed, reason, answer_id)

    def _ask(self, path: str, body: object = None, method: str = "") -> Any:
        """Returns the parsed answer; without a method, sends a POST request if there is a body, else a GET request."""
        answer = self._answer(method or ("GET" if body is None else "POST"), path, body)
        if answer.status not in (200, 202):
            raise _translated(answer)
        return answer.json()

    def _answer(self, method: str, path: str, body: object = None) -> BaseHTTPResponse:
        """Returns the response whatever its status is; raises ActionableError without one."""
        try:
            try:
                return self._send(method, path, body)
            except ProtocolError:  # the API closed a connection that had stayed open; all requests may be repeated
                return self._send(method, path, body)
        except HTTPError as error:
            problem = f"The API does not answer at {self._address} ({error})."
            step = "Start it: rec api. Or correct the address; that of the storefront is REC_API_CLIENT_URL."
            raise ActionableError(problem, step) from error

    def _send(self, method: str, path: str, body: object) -> BaseHTTPResponse:
        if body is None:
            return self._pool.request(method, self._prefix + path)
        return self._pool.request(method, self._prefix + path, json=body)


def _translated(answer: BaseHTTPResponse) -> Exception:
    """Returns the RequestError or ActionableError for a refused request."""
    try:
        problem = answer.json()
        detail, next_step = str(problem["detail"]), str(problem["next_step"])
    except (ValueError, KeyError, TypeError):
        return ActionableError(f"The API answered with status {answer.status}.", "Read the log of the API.")
    if answer.status == 401:
        return ActionableError(
            detail, "Give the client a key of the API; that of the storefront is REC_API_CLIENT_KEY."
        )
    if answer.status == 422:
        return RequestError(detail.removeprefix("Invalid request: ").removesuffix("."))
    return ActionableError(detail, next_step)


def _recorded(found: Mapping[str, Any]) -> Recorded:
    return Recorded(found["recorded"], found["applied"])


def _seconds(timestamp: int | datetime | None) -> int | None:
    seconds = unix_seconds(timestamp)
    return None if seconds is None else seconds[0]


def _person_path(user_id: Id) -> str:
    return f"/people/{quote(str(user_id), safe='')}"


def _user(user_id: Id) -> str | None:
    return None if user_id == UNKNOWN else str(user_id)


def _texts(item_ids: Sequence[Id]) -> list[str]:
    if isinstance(item_ids, str) or not isinstance(item_ids, Iterable):
        raise RequestError("item_ids must be a sequence of ids")
    return [str(item) for item in item_ids]


def _with_texts(filters: Filters[Id]) -> dict[str, object]:
    """Returns the parts of a filter that are set, with ids as texts."""
    given = filters.model_dump(exclude_defaults=True)
    return {name: _texts(value) if isinstance(value, list) else value for name, value in given.items()}
