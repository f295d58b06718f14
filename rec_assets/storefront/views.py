"""Gathers the content of the page: lists with their reasons, trending items, and warnings."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client, Recommendations
from rec_assets.serving.graph.request import RequestError
from rec_assets.settings import Settings
from rec_assets.storefront.catalog import Catalog, Item
from rec_assets.storefront.explain import Explainer, Explanation, Reason

SHOWN = 12
RECENT = 8
STRANGER = -1
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
    "multimodal_embedding_lookup": "Pictures and words",
    "unroll_features": "Signals of the history",
    "dlrm_ranking": "Ranker",
    "softmax_sampling": "Ordering",
    "item_id_decoder": "Item ids",
}

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """A warning, and the next step for the reader."""

    what: str
    next_step: str


@dataclass(frozen=True)
class Card:
    """An item in a list; reason is None where the bundle is not on this machine."""

    place: int
    item: Item
    score: float
    reason: Reason | None


@dataclass(frozen=True)
class Listing:
    """A list for one user, or the problem that there is none."""

    user_id: int
    cards: list[Card] = field(default_factory=list)
    answer: Recommendations | None = None
    explanation: Explanation | None = None
    problem: Problem | None = None

    @property
    def mix(self) -> list[tuple[str, int]]:
        """Counts the items of each category, the most first."""
        return Counter(card.item.category_name for card in self.cards).most_common()

    @property
    def stages(self) -> list[tuple[str, str, float]]:
        """Name for people, name and milliseconds of each stage."""
        spent = self.explanation.milliseconds if self.explanation else {}
        return [(STAGE_NAMES[stage], stage, milliseconds) for stage, milliseconds in spent.items()]


@dataclass(frozen=True)
class Asked:
    """The choices of the page's visitor."""

    user_id: int
    device_type: int
    at: int
    diversity: bool


class Shop:
    """Everything the page needs of the running system; any part of that may be away at any time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = Client(settings)
        self.catalog = Catalog(settings)
        self._explainer = Explainer(settings)

    def listing(self, asked: Asked, user_id: int) -> Listing:
        """Returns the list of a user in the visitor's context."""
        try:
            k = min(SHOWN, self.settings.ranking_topk)
            answer = self.client.recommend(user_id, asked.device_type, asked.at, k, asked.diversity)
            explanation = self._explainer.explain(answer, user_id, asked.device_type, asked.at, drawn=asked.diversity)
        except ActionableError as error:
            return Listing(user_id, problem=Problem(error.problem, error.next_step))
        except RequestError as error:
            return Listing(user_id, problem=Problem(f"No such request: {error}.", "Choose another user or time."))
        reasons = explanation.reasons if explanation else {}
        cards = [
            Card(place, self.catalog.item(item), score, reasons.get(item))
            for place, (item, score) in enumerate(answer, start=1)
        ]
        return Listing(user_id, cards, answer, explanation)

    def trending(self, category: int | None) -> tuple[list[tuple[Item, int]], Problem | None]:
        """Returns the most popular items and their interactions, or the problem that there are none."""
        top, problem = _or_problem(lambda: self.client.trending(RECENT, category))
        return [(self.catalog.item(item), count) for item, count in top or []], problem

    def problems(self) -> list[Problem]:
        """Returns what a visitor should know about the services behind the page; Triton speaks for itself."""
        state, problem = _or_problem(self.client.events.state)
        if problem is not None:
            consequence = "Lists are made without features, history and filter; clicks are not taken."
            return [Problem(f"{problem.what} {consequence}", problem.next_step)]
        if state is not None and not state.workers:
            waiting = (
                f"{state.waiting + state.taken} clicks wait in the stream" if state.waiting else "clicks will wait"
            )
            return [Problem(f"No worker applies what users do: {waiting}.", "Start one: rec worker, or rec up.")]
        return []

    def default_time(self) -> int:
        """Returns the unix time a visitor starts at: now, or for an older history the morning after it."""
        after = datetime.combine(self.settings.as_of, datetime.min.time(), UTC) + timedelta(days=1, hours=10)
        now = time.time()
        return int(now) if now - after.timestamp() < FRESH.total_seconds() else int(after.timestamp())


def _or_problem(ask: Callable[[], T]) -> tuple[T | None, Problem | None]:
    try:
        return ask(), None
    except ActionableError as error:
        return None, Problem(error.problem, error.next_step)
