"""Collects the content of the page: lists with their reasons, trending items, and problems."""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import DEVICE_TYPES
from rec_assets.serving.health import Health, ServerProblem
from rec_assets.serving.http_client import HttpClient, HttpList
from rec_assets.serving.ids import ITEM, UNKNOWN, USER, Id, Ids
from rec_assets.serving.translation import Device
from rec_assets.settings import Settings
from rec_assets.storefront.catalog import Catalog, Item
from rec_assets.storefront.explain import Explainer, Explanation, Reason

SHOWN = 12
RECENT = 8
DUE = 6
FRESH = timedelta(days=2)
STAGE_NAMES = {
    "context_preprocessor": "Request context",
    "nvt_context_transform": "Clock and device",
    "feast_user_lookup": "User features and history",
    "nvt_user_transform": "User encoding",
    "query_tower": "Query tower",
    "faiss_retrieval": "Retrieval",
    "filter_seen_items": "Seen filter",
    "feast_item_lookup": "Item features",
    "nvt_item_transform": "Item encoding",
    "multimodal_embedding_lookup": "Images and texts",
    "unroll_features": "History signals",
    "dlrm_ranking": "Ranker",
    "softmax_sampling": "Ordering",
    "item_id_decoder": "Item ids",
}


@dataclass(frozen=True)
class Problem:
    """A problem and the next step."""

    what: str
    next_step: str

    @classmethod
    def of(cls, error: ActionableError) -> "Problem":
        """Returns the problem of an error."""
        return cls(error.problem, error.next_step)


@dataclass(frozen=True)
class Card:
    """An item at a position of a list; the reason is None if the bundle is not on this machine."""

    position: int
    item: Item
    score: float
    reason: Reason | None


@dataclass(frozen=True)
class Listing:
    """A list for one user, or the problem that prevented it.

    `user` is the id as the shop writes it, and `user_id` the number of the models, -1 for an anonymous user.
    """

    user: Id
    user_id: int
    cards: list[Card] = field(default_factory=list)
    answer: HttpList | None = None
    explanation: Explanation | None = None
    problem: Problem | None = None

    @property
    def mix(self) -> list[tuple[str, int]]:
        """Returns name and number of items of each category, the most frequent first."""
        return Counter(card.item.category_name for card in self.cards if card.item.category_name).most_common()

    @property
    def stages(self) -> list[tuple[str, str, float]]:
        """Returns display name, name and milliseconds of each stage."""
        spent = self.explanation.milliseconds if self.explanation else {}
        return [(STAGE_NAMES[stage], stage, milliseconds) for stage, milliseconds in spent.items()]


@dataclass(frozen=True)
class FormInput:
    """Input of the page's form beside the user; without a device, the device is unknown."""

    device: Device | None
    at: int
    diversity: bool


class Shop:
    """Lists, popular items and health from the HTTP API, with the local catalog; every server may be down at any time.

    Reasons are computed here, where the live bundle is on this machine.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = HttpClient(settings.api_url, settings.api_key)
        self.ids = Ids(settings)
        self.catalog = Catalog(settings, self.ids)
        self._explainer = Explainer(settings)

    def listing(self, form: FormInput, user: Id) -> Listing:
        """Returns the list of a user, for the device and time of the form.

        Args:
            form: input of the form.
            user: id as the shop writes it; `UNKNOWN` for an anonymous user.
        """
        number = self.ids.number(USER, user)
        try:
            k = min(SHOWN, self.settings.ranking_topk)
            answer = self.client.recommend(user, form.device, form.at, k, form.diversity)
            explanation = self._explained(answer, number, form)
        except ActionableError as error:
            return Listing(user, number, problem=Problem.of(error))
        except RequestError as error:
            return Listing(user, number, problem=Problem(f"Invalid request: {error}.", "Choose another user or time."))
        reasons = explanation.reasons if explanation else {}
        items = [(self.catalog.named(item), score) for item, score in answer]
        cards = [
            Card(position, item, score, reasons.get(item.item_id))
            for position, (item, score) in enumerate(items, start=1)
        ]
        return Listing(user, number, cards, answer, explanation)

    def _explained(self, answer: HttpList, user_id: int, form: FormInput) -> Explanation | None:
        shown = [(self.ids.number(ITEM, item), score) for item, score in answer]
        device = UNKNOWN if form.device is None else DEVICE_TYPES[form.device]
        return self._explainer.explain(answer.bundle_id, shown, user_id, device, form.at, drawn=form.diversity)

    def due(self, form: FormInput, user: Id) -> list[tuple[Item, float]]:
        """Returns items that a user is due to buy again, with probabilities; empty if there is no such list."""
        try:
            answer = self.client.buy_again(user, DUE, form.at)
        except (ActionableError, RequestError):  # the recommendations beside it report what is wrong
            return []
        return [(self.catalog.named(item), score) for item, score in answer]

    def around(self, item: str, user: str) -> tuple[list[tuple[str, list[Item]]], Problem | None]:
        """Returns three lists around an item for a user, by title, or the problem that prevented them."""
        try:
            answers = {
                "Similar": self.client.similar(item, RECENT, user_id=user),
                "Bought together": self.client.bought_together([item], RECENT, user_id=user),
                "Completes the cart": self.client.bought_together([item], RECENT, complement=True, user_id=user),
            }
        except ActionableError as error:
            return [], Problem.of(error)
        except RequestError as error:
            return [], Problem(f"Invalid request: {error}.", "Choose another item.")
        return [(title, [self.catalog.named(one) for one in answer.ids]) for title, answer in answers.items()], None

    def trending(self, category: str | None) -> tuple[list[tuple[Item, int]], Problem | None]:
        """Returns the most popular items with their numbers of interactions, or the problem that prevented it."""
        try:
            top = self.client.trending(RECENT, category)
        except ActionableError as error:
            return [], Problem.of(error)
        except RequestError as error:
            return [], Problem(f"Invalid request: {error}.", "Choose another category.")
        return [(self.catalog.named(item), count) for item, count in top], None

    def health(self) -> Health:
        """Returns the state of the servers behind the API; it is "stopped" if the API does not answer."""
        try:
            return self.client.health()
        except ActionableError as error:
            problem = ServerProblem(detail=error.problem, next_step=error.next_step)
            return Health(state="stopped", problems=[problem])

    def problems(self, listing: Listing) -> list[Problem]:
        """Returns the problem of a list and those of the servers, each once."""
        servers = [Problem(one.detail, one.next_step) for one in self.health().problems]
        return list(dict.fromkeys([*([listing.problem] if listing.problem else []), *servers]))

    def default_time(self) -> int:
        """Returns the form's initial unix time: now, or 10:00 of the day after an older history."""
        after = datetime.combine(self.settings.as_of, datetime.min.time(), UTC) + timedelta(days=1, hours=10)
        now = time.time()
        return int(now) if now - after.timestamp() < FRESH.total_seconds() else int(after.timestamp())
