"""Client library for other services: requests recommendations from Triton and reports events."""

import time
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property, partial

import numpy.typing as npt
from tritonclient import grpc

from rec_assets.datasets.related.again import AGAIN
from rec_assets.datasets.related.tables import COMPLEMENT, SIMILAR, TOGETHER
from rec_assets.realtime.events import FORGET_REQUEST, UNKNOWN_DEVICE, Event, EventError, Kind
from rec_assets.realtime.stores.trending import Trending
from rec_assets.realtime.stream import EventStream
from rec_assets.serving.canary.router import CanaryRouter
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.filters import FILTERS, Filters
from rec_assets.serving.graph.related_request import DEFAULT_LENGTH, LISTS, validate_related
from rec_assets.serving.graph.request import PROBE, validate
from rec_assets.serving.graph.spec import RECENT, RELATED_RESPONSE, RESPONSE, Tensor
from rec_assets.serving.health import Health, check
from rec_assets.serving.ids import CATEGORY_1, ITEM, UNKNOWN, USER, Id, Ids
from rec_assets.serving.recommendations import Recommendations
from rec_assets.serving.rules.blocked import BlockedItems
from rec_assets.serving.translation import Device, device_number, filter_numbers, session_numbers, unix_seconds
from rec_assets.serving.triton.connection import TIMEOUT, Connection
from rec_assets.serving.triton.infer_inputs import infer_inputs, related_inputs
from rec_assets.serving.triton.model_config import RECOMMENDER, RELATED_ITEMS, shape_of_one
from rec_assets.settings import Settings


class Client:
    """Holds connections to Triton and Valkey. Each opens at its first use and is safe to keep and share."""

    def __init__(self, settings: Settings, model: str = RECOMMENDER) -> None:
        """Stores the address of Triton.

        Args:
            settings: host and ports of Triton and Valkey.
            model: one of `model_config.TOPOLOGIES`; both return the same lists.
        """
        self._settings = settings
        self._model = model
        self._shape = shape_of_one(model)
        self._triton = Connection(settings)
        self._canary = CanaryRouter(settings)
        self.ids = Ids(settings)

    def recommend(
        self,
        user_id: Id,
        device_type: int | Device | None = None,
        timestamp: int | datetime | None = None,
        k: int | None = None,
        diversity: bool | None = None,
        recent: Iterable[tuple[Id, int | datetime]] = (),
        filters: Filters[Id] | None = None,
    ) -> Recommendations:
        """Returns a recommendation list for one user.

        Args:
            user_id: id as the shop writes it, a str, or the number of the models, an int; a user without training rows
                counts as an anonymous user.
            device_type: device name or its number; unknown by default.
            timestamp: time of the request, unix seconds or a datetime with a time zone; now by default.
            k: maximum length of the list, 1 to the server's `ranking_topk`; `ranking_topk` by default.
            diversity: True samples the list with a preference for high scores, False sorts it; by default the server's
                setting.
            recent: the user's session: pairs of an item id and a time, at most `RECENT_LENGTH`, in any order. They join
                the stored history for this request only; an item that the shop does not know is left out.
            filters: what the items of the list must have; all items by default.

        Raises:
            RequestError: an argument is invalid.
            UnavailableError: Triton is unreachable, fails, or serves no recommender.
        """
        if isinstance(k, int) and k < 1:
            raise RequestError("k must be positive")
        if diversity not in (None, True, False):
            raise RequestError("diversity must be True or False")
        user = self.ids.number(USER, user_id)
        given: dict[str, npt.ArrayLike | None] = {
            "user_id": [user],
            "device_type": device_number(device_type),
            "timestamp": unix_seconds(timestamp),
            "top_k": None if k is None else [k],
            "diversity": None if diversity is None else [int(diversity)],
            RECENT: [session_numbers(self.ids, recent)],
            FILTERS: None if filters is None else [filter_numbers(self.ids, filters).text()],
        }
        inputs = infer_inputs(validate(given, one_user=True), self._shape)
        return self._canary.answer(partial(self._infer, self._model, inputs, RESPONSE), user)

    def health(self) -> Health:
        """Returns the state of Triton, Valkey and the workers, with what is wrong and the next steps."""
        return check(lambda: self.events.state(), self.probe)

    def probe(self) -> Recommendations:
        """Returns the list of an anonymous user for a check of the servers; its answer is not recorded.

        Raises:
            UnavailableError: as `recommend`.
        """
        inputs = infer_inputs(validate({"user_id": [UNKNOWN]}), self._shape)
        return self._infer(self._model, inputs, request_id=PROBE)

    def similar(self, item_id: Id, k: int = DEFAULT_LENGTH, *, user_id: Id = UNKNOWN) -> Recommendations:
        """Returns the items most similar to an item: of near content and category, or chosen by the same users.

        Args:
            item_id: id as the shop writes it, a str, or the number of the models, an int. An item that the live bundle
                does not know has an empty list.
            k: maximum length of the list, 1 to 50.
            user_id: the user that gets the list, so that during a canary all lists of the user are of one bundle.

        Raises:
            RequestError: an argument is invalid, or the live bundle is of a release without these lists.
            UnavailableError: Triton is unreachable, fails, or serves no such lists.
        """
        return self._related(SIMILAR, k, self._basket([item_id]), self.ids.number(USER, user_id))

    def bought_together(
        self, item_ids: Sequence[Id], k: int = DEFAULT_LENGTH, *, complement: bool = False, user_id: Id = UNKNOWN
    ) -> Recommendations:
        """Returns the items most often in baskets with the items of a basket; the scores are sums of probabilities.

        Args:
            item_ids: 1 to 100 ids as for `similar`.
            k: maximum length of the list, 1 to 50.
            complement: only items that complete the basket: none that could replace one of its items, and fewer of
                the items that are in every basket. The scores are sums of damped probabilities.
            user_id: as for `similar`.

        Raises:
            RequestError, UnavailableError: as `similar`.
        """
        if isinstance(item_ids, str) or not isinstance(item_ids, Iterable):
            raise RequestError("item_ids must be a sequence of ids")
        kind = COMPLEMENT if complement else TOGETHER
        return self._related(kind, k, self._basket(item_ids), self.ids.number(USER, user_id))

    def buy_again(
        self, user_id: Id, k: int = DEFAULT_LENGTH, timestamp: int | datetime | None = None
    ) -> Recommendations:
        """Returns the items that a user is due to buy again; the scores are probabilities for the next seven days.

        The probability is that of earlier users with as many purchases of an item and as many of their intervals since
        the last one. An empty list has a `reason`.

        Args:
            user_id: id as for `recommend`.
            k: maximum length of the list, 1 to 50.
            timestamp: time of the request, unix seconds or a datetime with a time zone; now by default.

        Raises:
            RequestError: an argument is invalid, or the live bundle is of a release without these lists.
            UnavailableError: Triton is unreachable, fails, or serves no such lists.
        """
        user, seconds = self.ids.number(USER, user_id), unix_seconds(timestamp)
        given: dict[str, npt.ArrayLike] = {"user_id": [user]}
        return self._related(AGAIN, k, given if seconds is None else {**given, "timestamp": seconds}, user)

    def _basket(self, item_ids: Sequence[Id]) -> dict[str, npt.ArrayLike]:
        return {"item_ids": [self.ids.number(ITEM, item) for item in item_ids]}

    def _related(self, kind: str, k: int, arguments: dict[str, npt.ArrayLike], user: int) -> Recommendations:
        given = {"kind": [LISTS.index(kind)], "length": [k], **arguments}
        inputs = related_inputs(given)
        validate_related(given)  # here, so that a wrong request does not count as an error of a canary
        return self._canary.answer(partial(self._infer, RELATED_ITEMS, inputs, RELATED_RESPONSE), user)

    def _infer(
        self,
        model: str,
        inputs: Sequence[grpc.InferInput],
        tensors: Sequence[Tensor] = RESPONSE,
        suffix: str = "",
        timeout: float = TIMEOUT,
        *,
        request_id: str = "",
    ) -> Recommendations:
        """Sends a request to a model; a suffix to its name selects the candidate of a canary."""
        made, elapsed = self._triton.infer(model + suffix, inputs, tensors, timeout, request_id)
        return Recommendations.of(made, elapsed, self.ids)

    @cached_property
    def events(self) -> EventStream:
        """Returns the stream that `record` and `forget` write to; it also returns the progress of the workers."""
        return EventStream.connect(self._settings)

    @cached_property
    def _trending(self) -> Trending:
        return Trending.connect(self._settings)

    @cached_property
    def _blocked(self) -> BlockedItems:
        return BlockedItems(self._settings)

    def record(
        self,
        user_id: Id,
        item_ids: Sequence[Id],
        at: int | datetime | None = None,
        kind: Kind = "clicked",
        device_type: int | Device | None = None,
    ) -> list[str]:
        """Reports interactions of a user; a running worker applies them within milliseconds.

        Reporting the same user, item and second twice has no further effect.

        Args:
            user_id: id as for `recommend`, not of an anonymous user. A user whose id is a text can have events once
                `id_codes` has the text.
            item_ids: ids of the clicked or bought items, each a str or an int as for users.
            at: time of the interactions, unix seconds or a datetime with a time zone; now by default. A time in the
                future counts as now.
            kind: kind of the interactions.
            device_type: device name or its number; unknown by default.

        Returns:
            The ids of the stream entries; `events.wait` accepts them.

        Raises:
            EventError: an argument is invalid in an event; nothing was reported.
            RequestError: an id, the device or the time is invalid; nothing was reported.
            ActionableError: Valkey is unreachable or refuses the events, for example because its memory is full.
        """
        if isinstance(item_ids, str) or not isinstance(item_ids, Iterable):
            raise EventError("item_ids must be a sequence of ids")
        seconds, (device,) = self._seconds_or_now(at), device_number(device_type) or [UNKNOWN_DEVICE]
        common = {"user_id": self.known(USER, user_id), "at": seconds, "kind": kind, "device_type": device}
        return self.events.send([Event.of({**common, "item_id": self.known(ITEM, item)}) for item in item_ids])

    def forget(self, user_id: Id) -> list[str]:
        """Reports a forget request: it clears the user's seen filter and current `top_category`.

        The history stays. The request covers all earlier events, applied or not. Returns and raises as `record`.
        """
        event = Event.of(
            {"user_id": self.known(USER, user_id), "at": self._seconds_or_now(None), "kind": FORGET_REQUEST}
        )
        return self.events.send([event])

    def flush(self, user_id: Id) -> list[str]:
        """Calls `forget`; this is its name in release 0.1."""
        warnings.warn("Client.flush is now Client.forget.", FutureWarning, stacklevel=2)
        return self.forget(user_id)

    def trending(self, k: int = 10, category: Id | None = None) -> list[tuple[int, int]]:
        """Returns at most `k` pairs of item id and interactions of the last week, most popular first.

        Items that are not available or that the rules of the shop block are left out.

        Args:
            k: maximum number of pairs, at least 1.
            category: level-1 category that the items must have, its name or number; all categories by default.

        Raises:
            RequestError: `k` is not positive.
            ActionableError: Valkey is unreachable.
        """
        if k < 1:
            raise RequestError("k must be positive")
        number = None if category is None else self.ids.number(CATEGORY_1, category)
        return self._trending.top(k, category_l1=number, hidden=self._blocked)

    def known(self, kind: str, given: Id) -> int:
        """Returns the number of an id that events may name; raises EventError for an unknown text, or RequestError."""
        number = self.ids.number(kind, given)
        if isinstance(given, str) and number == UNKNOWN and self.ids.are_texts:
            raise EventError(f"{kind}_id: '{given}' is unknown. The daily update takes in new users and items")
        return number

    @staticmethod
    def _seconds_or_now(at: int | datetime | None) -> int:
        (seconds,) = unix_seconds(at) or [int(time.time())]
        return seconds
