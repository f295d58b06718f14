"""Collects the content of the page: lists with their reasons, trending items, and problems."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.ids import USER, Id
from rec_assets.serving.recommendations import Recommendations
from rec_assets.serving.triton.availability import UnavailableError
from rec_assets.settings import Settings
from rec_assets.storefront.catalog import Catalog, Item
from rec_assets.storefront.explain import Explainer, Explanation, Reason

SHOWN = 12
RECENT = 8
DUE = 6
ANONYMOUS = -1
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

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """A problem and the next step."""

    what: str
    next_step: str


@dataclass(frozen=True)
class Card:
    """An item at a position of a list; the reason is None if the bundle is not on this machine."""

    position: int
    item: Item
    score: float
    reason: Reason | None


@dataclass(frozen=True)
class Listing:
    """A list for one user, or the problem that prevented it; `user` is the id as the shop writes it."""

    user_id: int
    user: Id
    cards: list[Card] = field(default_factory=list)
    answer: Recommendations | None = None
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
    """Input of the page's form."""

    user_id: int
    device_type: int
    at: int
    diversity: bool


class Shop:
    """Data of the running servers for the page; every server may be down at any time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = Client(settings)
        self.catalog = Catalog(settings, self.client.ids)
        self._explainer = Explainer(settings)

    def listing(self, form: FormInput, user_id: int) -> Listing:
        """Returns the list of a user, for the device and time of the form.

        Args:
            form: input of the form.
            user_id: raw user id, which replaces that of the form; `ANONYMOUS` for an anonymous user.
        """
        user = self.client.ids.text(USER, user_id)
        try:
            k = min(SHOWN, self.settings.ranking_topk)
            answer = self.client.recommend(user_id, form.device_type, form.at, k, form.diversity)
            explanation = self._explainer.explain(answer, user_id, form.device_type, form.at, drawn=form.diversity)
        except ActionableError as error:
            return Listing(user_id, user, problem=Problem(error.problem, error.next_step))
        except RequestError as error:
            return Listing(user_id, user, problem=Problem(f"Invalid request: {error}.", "Choose another user or time."))
        reasons = explanation.reasons if explanation else {}
        cards = [
            Card(position, self.catalog.item(item), score, reasons.get(item))
            for position, (item, score) in enumerate(answer, start=1)
        ]
        return Listing(user_id, user, cards, answer, explanation)

    def due(self, form: FormInput, user_id: int) -> list[tuple[Item, float]]:
        """Returns items that a user is due to buy again, with probabilities; empty if there is no such list."""
        try:
            answer = self.client.buy_again(user_id, DUE, form.at)
        except (ActionableError, RequestError):  # the recommendations beside it report what is wrong
            return []
        return [(self.catalog.item(item), score) for item, score in answer]

    def around(self, item_id: int, user_id: int) -> tuple[list[tuple[str, list[Item]]], Problem | None]:
        """Returns three lists around an item for a user, by title, or the problem that prevented them."""
        try:
            answers = {
                "Similar": self.client.similar(item_id, RECENT, user_id=user_id),
                "Bought together": self.client.bought_together([item_id], RECENT, user_id=user_id),
                "Completes the cart": self.client.bought_together([item_id], RECENT, complement=True, user_id=user_id),
            }
        except ActionableError as error:
            return [], Problem(error.problem, error.next_step)
        except RequestError as error:
            return [], Problem(f"Invalid request: {error}.", "Choose another item.")
        return [(title, [self.catalog.item(item) for item, _ in answer]) for title, answer in answers.items()], None

    def trending(self, category: int | None) -> tuple[list[tuple[Item, int]], Problem | None]:
        """Returns the most popular items with their numbers of interactions, or the problem that prevented it."""
        top, problem = _or_problem(lambda: self.client.trending(RECENT, category))
        return [(self.catalog.item(item), count) for item, count in top or []], problem

    def problems(self) -> list[Problem]:
        """Returns problems of Valkey and the workers; a list reports Triton's problems itself."""
        state, problem = _or_problem(self.client.events.state)
        if problem is not None:
            consequence = "Lists are computed without features, history and filter. Clicks are not recorded."
            return [Problem(f"{problem.what} {consequence}", problem.next_step)]
        if state is not None and not state.workers:
            waiting = (
                f"{state.waiting + state.taken} clicks wait in the stream" if state.waiting else "clicks will wait"
            )
            return [Problem(f"No worker runs: {waiting}.", "Start one: rec worker, or rec up.")]
        return []

    def health(self) -> tuple[str, list[Problem]]:
        """Returns a word for the whole, and the problems.

        The word is "well", "degraded" without Valkey or workers, or a state of `availability.UnavailableError`.
        """
        problems = self.problems()
        try:
            self.client.probe()
        except UnavailableError as error:
            return error.state, [Problem(error.problem, error.next_step), *problems]
        return "degraded" if problems else "well", problems

    def default_time(self) -> int:
        """Returns the form's initial unix time: now, or 10:00 of the day after an older history."""
        after = datetime.combine(self.settings.as_of, datetime.min.time(), UTC) + timedelta(days=1, hours=10)
        now = time.time()
        return int(now) if now - after.timestamp() < FRESH.total_seconds() else int(after.timestamp())


def _or_problem(call: Callable[[], T]) -> tuple[T | None, Problem | None]:
    try:
        return call(), None
    except ActionableError as error:
        return None, Problem(error.problem, error.next_step)
