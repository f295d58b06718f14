"""The storefront's web application: serves the page, its fragments and images, and receives events."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import TypeAdapter, ValidationError
from starlette.middleware.base import RequestResponseEndpoint

from rec_assets.common.errors import ActionableError
from rec_assets.common.http.guard import HttpGuard
from rec_assets.common.http.server import http_server
from rec_assets.features.history import MAX_ID
from rec_assets.realtime.events import Event, EventError
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import DEVICE_TYPES, UNKNOWN
from rec_assets.serving.ids import USER, Id
from rec_assets.settings import Settings
from rec_assets.storefront.explain import ordinal
from rec_assets.storefront.rules import rules_router
from rec_assets.storefront.views import ANONYMOUS, RECENT, FormInput, Shop

HERE = Path(__file__).parent
APPLIED_WITHIN_S = 2.0
MAX_CONNECTIONS = 200
DEFAULT_USER = 1  # initial user of the form if no users are suggested
# Allows only resources of this server, so that hostile text in the page can run and load nothing.
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
NO_IMAGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><rect width="10" height="10" fill="#ece8e1"/></svg>'
)

DeviceType = Annotated[int, Query(ge=UNKNOWN, le=max(DEVICE_TYPES.values()))]
ItemId = Annotated[int, PathParameter(ge=0, le=MAX_ID)]
Fields = dict[str, int | str | None]
_FIELDS = TypeAdapter(Fields)
Moment = Annotated[int, Query(gt=0, le=MAX_ID)]


def storefront_server(settings: Settings) -> uvicorn.Server:
    """Returns a server of the storefront on the settings' address and port."""
    return http_server(create_app(settings), settings.storefront_address, settings.storefront_port, MAX_CONNECTIONS)


def create_app(settings: Settings) -> FastAPI:
    """Returns the application for the servers of the settings, which may be down."""
    app = FastAPI(title="Storefront", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    pages, shop = Jinja2Templates(directory=HERE / "templates"), Shop(settings)
    pages.env.filters |= {"age": _age, "ordinal": ordinal}

    app.add_middleware(HttpGuard, hosts=settings.host_names)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"detail": _without_values(error.errors())}, 422)

    @app.exception_handler(Exception)
    def unforeseen(_: Request, error: Exception) -> Response:
        return JSONResponse({"problem": type(error).__name__, "next_step": "Read the log of the storefront."}, 503)

    @app.middleware("http")
    async def secure(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.update(SECURITY)
        return response

    @app.get("/", response_class=HTMLResponse)
    def page(request: Request) -> Response:
        users = shop.catalog.users()
        facts = {
            "users": users,
            "user": users[0] if users else DEFAULT_USER,
            "at": shop.default_time(),
            "devices": DEVICE_TYPES,
            "categories": shop.catalog.categories(),
            "source": settings.source,
            "texts": shop.client.ids.are_texts,
        }
        return pages.TemplateResponse(request, "page.html", facts)

    @app.get("/list", response_class=HTMLResponse)
    def listing(
        request: Request,
        user: str,
        at: Moment,
        device: DeviceType = UNKNOWN,
        diversity: bool = False,
        cold: bool = False,
    ) -> Response:
        number = _number(shop, USER, user)
        form = FormInput(number, device, at, diversity)
        mine = shop.listing(form, number)
        explanation = mine.explanation
        facts = {
            "mine": mine,
            "cold": shop.listing(form, ANONYMOUS) if cold and number != ANONYMOUS else None,
            "due": shop.due(form, number),
            "problems": [*([mine.problem] if mine.problem else []), *shop.problems()],
            "recent": [shop.catalog.item(item) for item in (explanation.recent if explanation else [])[:RECENT]],
            "top_category": shop.catalog.name_of(explanation.top_category)
            if explanation and explanation.top_category >= 0
            else None,
            "built": _built(mine.explanation.bundle.path) if mine.explanation else None,
        }
        return pages.TemplateResponse(request, "list.html", facts)

    @app.get("/trending", response_class=HTMLResponse)
    def trending(request: Request, category: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None) -> Response:
        items, problem = shop.trending(category)
        return pages.TemplateResponse(request, "trending.html", {"items": items, "problem": problem})

    @app.get("/around/{item_id}", response_class=HTMLResponse)
    def around(request: Request, item_id: ItemId, user: str) -> Response:
        shelves, problem = shop.around(item_id, _number(shop, USER, user))
        facts = {"item": shop.catalog.item(item_id), "shelves": shelves, "problem": problem}
        return pages.TemplateResponse(request, "around.html", facts)

    @app.post("/events")
    def record(fields: Annotated[Fields, Depends(_fields)]) -> Response:
        start, user = time.perf_counter(), fields.get("user_id")
        try:
            event = Event.of({**fields, "user_id": None if user is None else _number(shop, USER, user)})
        except EventError as error:
            raise HTTPException(422, str(error)) from error
        try:
            sent = shop.client.events.send([event])
            applied = shop.client.events.wait(sent, APPLIED_WITHIN_S)
        except ActionableError as error:
            return JSONResponse({"problem": error.problem, "next_step": error.next_step}, status_code=503)
        return JSONResponse({"applied": applied, "milliseconds": round(1000 * (time.perf_counter() - start), 1)})

    app.include_router(rules_router(settings, shop, pages))

    @app.get("/images/{item_id}.jpg")
    def image(item_id: ItemId) -> Response:
        file = shop.catalog.image(item_id)
        if file is None:
            return Response(NO_IMAGE, media_type="image/svg+xml")
        return FileResponse(file, headers={"Cache-Control": "max-age=3600"})

    @app.get("/health")
    def health() -> Response:
        state, problems = shop.health()
        told = {"problems": [problem.what for problem in problems]} if problems else {}
        return JSONResponse({"state": state, **told}, 503 if problems else 200)

    return app


def _number(shop: Shop, kind: str, given: Id) -> int:
    """Returns the number of an id of a request; answers 422 if there is no such id."""
    try:
        number = shop.client.ids.number(kind, given)
    except RequestError as error:
        raise HTTPException(422, str(error)) from error
    if not UNKNOWN <= number <= MAX_ID:
        raise HTTPException(422, f"{kind} id must be {UNKNOWN} to {MAX_ID}")
    return number


async def _fields(request: Request) -> Fields:
    """Returns the fields of a body of JSON. Numbers must be whole numbers: neither true, nor 1.0, nor NaN."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(422, "the body must be application/json")
    try:
        return _FIELDS.validate_json(await request.body(), strict=True)
    except ValidationError as error:
        raise HTTPException(422, _without_values(error.errors(include_url=False))) from error


def _without_values(errors: Sequence[Any]) -> list[dict[str, Any]]:
    """Returns errors without the given values, which may have no form in JSON."""
    return [{"loc": error["loc"], "msg": error["msg"], "type": error["type"]} for error in errors]


def _built(bundle: Path) -> float:
    return (bundle / "manifest.json").stat().st_mtime


def _age(seconds: float) -> str:
    """Returns the age of a unix time in its largest unit, such as "2 days ago"."""
    minutes = max(0, int(time.time() - seconds)) // 60
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if count := minutes // size:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
