"""Bodies of requests and responses. Values are never converted: `true` is no number, and NaN is refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rec_assets.features.history import MAX_ID
from rec_assets.realtime.events import Kind
from rec_assets.serving.api.applied import MAX_WAIT_S
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.graph.spec import RECENT_LENGTH
from rec_assets.serving.translation import Device

MAX_ID_LENGTH = 200
MAX_K = 1_000
MAX_RELATED = 50
MAX_BASKET, MAX_EVENTS = 100, 100

Text = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
Seconds = Annotated[int, Field(gt=0, le=MAX_ID, description="Unix seconds.")]
Wait = Annotated[
    float, Field(ge=0, le=MAX_WAIT_S, description="Seconds to wait until workers applied the events; 0: no wait.")
]
Length = Annotated[int, Field(ge=1, le=MAX_RELATED, description="Most items.")]

LIST_USER: Any = Field(None, description="User that gets the list, so that a canary gives the user one bundle for all.")


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SessionItem(_Strict):
    """An item of the visitor's own session."""

    item_id: Text
    at: Seconds


class RecommendRequest(_Strict):
    """A request for one user's list; a user without training rows counts as an anonymous user."""

    user_id: Text | None = Field(None, description="Id as the shop writes it; absent: an anonymous user.")
    device: Device | None = Field(None, description="Device of the user; absent: unknown.")
    at: Seconds | None = Field(None, description="Time of the request in unix seconds; absent: now.")
    k: Annotated[int, Field(ge=1, le=MAX_K)] | None = Field(None, description="Most items; absent: REC_RANKING_TOPK.")
    diversity: bool | None = Field(None, description="Sample the list by score; absent: REC_DIVERSITY_MODE.")
    recent: Annotated[list[SessionItem], Field(max_length=RECENT_LENGTH)] = Field(
        [], description="The visitor's session, which is history for this request and is not stored."
    )
    filters: Filters[Text] | None = Field(None, description="What the items must have; absent: all items.")


class SimilarRequest(_Strict):
    """A request for items that are similar to an item."""

    item_id: Text
    k: Length = 10
    user_id: Text | None = LIST_USER


class TogetherRequest(_Strict):
    """A request for items that are bought together with a basket."""

    item_ids: Annotated[list[Text], Field(min_length=1, max_length=MAX_BASKET)]
    k: Length = 10
    complement: bool = Field(False, description="Only items that complete the basket, no substitutes of its items.")
    user_id: Text | None = LIST_USER


class BuyAgainRequest(_Strict):
    """A request for items that a user is due to buy again."""

    user_id: Text
    k: Length = 10
    at: Seconds | None = Field(None, description="Time of the request in unix seconds; absent: now.")


class ScoredItem(_Strict):
    """An item of a list."""

    item_id: str
    score: float = Field(
        description="`/recommend`: the ranker's probability. `/buy-again`: the probability for the next seven days. "
        "Other lists: higher is better."
    )


class ListResponse(_Strict):
    """A list, best item first."""

    bundle_id: str = Field(description="Bundle that made the list.")
    items: list[ScoredItem]


class RecommendResponse(ListResponse):
    """A list, best item first, and the id under which it is remembered."""

    answer_id: str = Field(description="Id of this answer, which `rec explain` takes; empty without a memory.")


class BuyAgainResponse(ListResponse):
    """A list, best item first, or the reason why it is empty."""

    reason: str = Field("", description="Why the list is empty; an empty text otherwise.")


class TrendingQuery(BaseModel):
    """Parameters of `GET /trending`, which are texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: Annotated[int, Field(ge=1, le=MAX_K)] = 10
    category: Text | None = None


class PopularItem(_Strict):
    """An item with its interactions of the last week."""

    item_id: str
    interactions: int


class TrendingResponse(_Strict):
    """The most popular items, most popular first."""

    items: list[PopularItem]


class ShopEvent(_Strict):
    """An interaction of a user. The same user, item and second count once, however often they are sent."""

    user_id: Text
    item_id: Text
    at: Seconds
    kind: Kind = "clicked"
    device: Device | None = None


class EventsRequest(_Strict):
    """Events to record; they are recorded together or not at all."""

    events: Annotated[list[ShopEvent], Field(min_length=1, max_length=MAX_EVENTS)]
    wait_s: Wait = 0


class Interaction(_Strict):
    """An interaction of a history."""

    item_id: str
    at: int = Field(description="Unix seconds.")


class Person(_Strict):
    """Data of a person that requests read."""

    user_id: str
    age: float | None = None
    gender: int | None = None
    top_category: str | None = Field(None, description="Category of the last 24 hours before the features were stored.")
    history: list[Interaction] = Field(description="The last 400 interactions, newest first.")
    deletion: Literal["", "waiting", "done"] = Field(
        description="Empty; `waiting` while stored days, logs and training sets are still to be deleted; `done`."
    )


class Deletion(_Strict):
    """The beginning of the deletion of a person."""

    deleted: int = Field(description="Number of keys that were deleted at once: features, history, seen filter.")
    next_step: str


class Recorded(_Strict):
    """Number of events that workers apply."""

    recorded: int
    applied: bool | None = Field(description="Whether workers applied all within `wait_s`; null without `wait_s`.")


class Alive(_Strict):
    """The process answers; the servers behind it may be down."""

    state: str = "alive"


class Problem(_Strict):
    """An error in the form of RFC 9457, with the next step."""

    title: str
    status: int
    detail: str
    next_step: str
