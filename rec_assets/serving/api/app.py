"""The API's web application. `/openapi.json` describes its requests, docs/api.md shows them."""

from collections.abc import Sequence
from typing import Annotated

import uvicorn
from fastapi import FastAPI, HTTPException, Query, Response

from rec_assets.common.http.guard import HttpGuard
from rec_assets.common.http.server import http_server
from rec_assets.features.history import MAX_ID
from rec_assets.realtime.events import UNKNOWN_DEVICE, Event
from rec_assets.realtime.person import Stored, forget_at_once, stored
from rec_assets.serving.api.applied import AppliedEvents
from rec_assets.serving.api.keys import KeyGuard, require_safe_address
from rec_assets.serving.api.metrics import RequestTimer
from rec_assets.serving.api.models import (
    Alive,
    BuyAgainRequest,
    BuyAgainResponse,
    Deletion,
    EventsRequest,
    Interaction,
    ListResponse,
    Person,
    PopularItem,
    Problem,
    RecommendRequest,
    RecommendResponse,
    Recorded,
    ScoredItem,
    ShopEvent,
    SimilarRequest,
    Text,
    TogetherRequest,
    TrendingQuery,
    TrendingResponse,
    Wait,
)
from rec_assets.serving.api.overload import OverloadGuard
from rec_assets.serving.api.problems import add_problem_handlers
from rec_assets.serving.api.rates import RateLimit
from rec_assets.serving.api.routes import JsonRoute
from rec_assets.serving.api.threads import RequestThreads
from rec_assets.serving.api.traces import request_spans
from rec_assets.serving.client import Client
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.graph.request import DEVICE_TYPES
from rec_assets.serving.health import Health
from rec_assets.serving.ids import CATEGORY_1, ITEM, UNKNOWN, USER, Id, Ids
from rec_assets.serving.recommendations import Recommendations
from rec_assets.settings import Settings

MAX_CONNECTIONS = 800  # most of them idle, kept open by clients; below the usual limit of 1,024 open files
MAX_IN_PROGRESS = 200  # requests; further ones are refused
MAX_REQUESTS = 40  # that wait for other servers
DELETED_LATER = (
    "Dagster's forgotten_sensor deletes days, logs and training sets, and trains again. GET shows the state."
)
TRACED_AS = "rec-api"  # the name of this process in traces


def api_server(settings: Settings) -> uvicorn.Server:
    """Returns a server on the settings' `api_address` and `api_port`.

    Raises:
        ActionableError: other machines could call the API without a key.
    """
    require_safe_address(settings)
    return http_server(create_app(settings), settings.api_address, settings.api_port, MAX_CONNECTIONS)


def create_app(settings: Settings) -> FastAPI:
    """Returns the application for the servers of the settings, which may be down."""
    app = FastAPI(
        title="rec_assets",
        docs_url=None,
        redoc_url=None,
        responses={s: {"model": Problem} for s in (401, 422, 429, 503)},
        telemetry=request_spans(),
    )
    app.router.route_class = JsonRoute
    app.add_middleware(KeyGuard, keys=settings.api_key_set, limit=RateLimit(settings.api_requests_per_second))
    app.add_middleware(HttpGuard, hosts=settings.host_names)
    app.add_middleware(OverloadGuard, most=MAX_IN_PROGRESS)
    app.add_middleware(RequestTimer)
    add_problem_handlers(app)
    client, in_thread = Client(settings), RequestThreads(MAX_REQUESTS)

    @in_thread
    def send(given: Sequence[ShopEvent]) -> list[str]:
        return client.events.send([_event(client, one) for one in given])

    @in_thread
    def is_applied(entry_ids: Sequence[str]) -> bool:
        return client.events.is_applied(entry_ids)

    applied = AppliedEvents(is_applied)

    @app.post("/recommend")
    @in_thread
    def recommend(request: RecommendRequest) -> RecommendResponse:
        """Return the list of one user, or of a visitor with a session."""
        recent = [(one.item_id, one.at) for one in request.recent]
        filters = None if request.filters is None else Filters[Id](**request.filters.model_dump())
        answer = client.recommend(
            _user(request), request.device, request.at, request.k, request.diversity, recent, filters
        )
        return RecommendResponse(bundle_id=answer.bundle_id, items=_items(answer), answer_id=answer.answer_id)

    @app.post("/similar")
    @in_thread
    def similar(request: SimilarRequest) -> ListResponse:
        """Return the items most similar to an item."""
        return _list(client.similar(request.item_id, request.k, user_id=_user(request)))

    @app.post("/bought-together")
    @in_thread
    def bought_together(request: TogetherRequest) -> ListResponse:
        """Return the items most often in baskets with the items of a basket."""
        answer = client.bought_together(
            request.item_ids, request.k, complement=request.complement, user_id=_user(request)
        )
        return _list(answer)

    @app.post("/buy-again")
    @in_thread
    def buy_again(request: BuyAgainRequest) -> BuyAgainResponse:
        """Return the items that a user is due to buy again, from the stored history."""
        answer = client.buy_again(request.user_id, request.k, request.at)
        return BuyAgainResponse(bundle_id=answer.bundle_id, items=_items(answer), reason=answer.reason)

    @app.get("/trending")
    @in_thread
    def trending(query: Annotated[TrendingQuery, Query()]) -> TrendingResponse:
        """Return the most popular items of the last week, overall or of a level-1 category."""
        top = client.trending(query.k, query.category)
        items = [PopularItem(item_id=str(client.ids.text(ITEM, item)), interactions=count) for item, count in top]
        return TrendingResponse(items=items)

    @app.post("/events")
    async def events(request: EventsRequest) -> Recorded:
        """Record interactions; a worker applies them within milliseconds. Sending them again has no further effect."""
        sent = await send(request.events)
        return Recorded(recorded=len(sent), applied=await applied.within(sent, request.wait_s))

    @app.get("/people/{user_id}", responses={404: {"model": Problem}})
    @in_thread
    def person(user_id: Text) -> Person:
        """Return what requests read about a person. `rec export-person` prints all that is known."""
        return _person(user_id, stored(settings, _known_user(client, user_id)), client.ids)

    @app.delete("/people/{user_id}", status_code=202, responses={404: {"model": Problem}})
    @in_thread
    def delete(user_id: Text) -> Deletion:
        """Delete what requests read about a person at once; Dagster deletes days, logs and training sets."""
        keys = forget_at_once(settings, _known_user(client, user_id))
        return Deletion(deleted=sum(keys.values()), next_step=DELETED_LATER)

    @app.post("/people/{user_id}/forget")
    async def forget(user_id: Text, wait_s: Wait = 0) -> Recorded:
        """Clear a user's seen filter and top category. `rec forget-person` deletes all that is known."""
        sent = await in_thread(client.forget)(user_id)
        return Recorded(recorded=len(sent), applied=await applied.within(sent, wait_s))

    @app.get("/alive")
    async def alive() -> Alive:
        """Return at once, without another server or a thread, so that an overload fails no probe. Needs no key."""
        return Alive()

    @app.get("/health", responses={503: {"model": Health}})
    @in_thread
    def health(response: Response) -> Health:
        """Return the state of the servers; 503 unless lists can be served. Needs no key, for probes."""
        found = client.health()
        response.status_code = 200 if found.has_lists else 503
        return found

    return app


def _event(client: Client, given: ShopEvent) -> Event:
    return Event.of(
        {
            "user_id": client.known(USER, given.user_id),
            "item_id": client.known(ITEM, given.item_id),
            "at": given.at,
            "kind": given.kind,
            "device_type": UNKNOWN_DEVICE if given.device is None else DEVICE_TYPES[given.device],
        }
    )


def _known_user(client: Client, user_id: str) -> int:
    """Returns the number of a user; answers 404 to an id that no user has."""
    number = client.ids.number(USER, user_id)
    if not 0 <= number <= MAX_ID:
        raise HTTPException(404, f"No user has the id '{user_id}'.")
    return number


def _person(user_id: str, found: Stored, ids: Ids) -> Person:
    features = found.features or {}
    gender, category = features.get("gender", UNKNOWN), features.get("top_category", UNKNOWN)
    return Person(
        user_id=user_id,
        age=features.get("age"),
        gender=None if gender == UNKNOWN else gender,
        top_category=None if category == UNKNOWN else str(ids.text(CATEGORY_1, category)),
        history=[Interaction(item_id=str(ids.text(ITEM, item)), at=at) for item, at in found.history],
        deletion=found.deletion,
    )


def _user(request: RecommendRequest | SimilarRequest | TogetherRequest) -> Id:
    return UNKNOWN if request.user_id is None else request.user_id


def _list(answer: Recommendations) -> ListResponse:
    return ListResponse(bundle_id=answer.bundle_id, items=_items(answer))


def _items(answer: Recommendations) -> list[ScoredItem]:
    return [ScoredItem(item_id=str(item), score=score) for item, (_, score) in zip(answer.ids, answer, strict=True)]
