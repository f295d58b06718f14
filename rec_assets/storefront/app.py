"""The storefront's web application: serves the page, its fragments and images, and receives events."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict
from starlette.middleware.base import RequestResponseEndpoint

from rec_assets.common.errors import ActionableError
from rec_assets.common.http.guard import HttpGuard
from rec_assets.common.http.server import http_server
from rec_assets.features.history import MAX_ID
from rec_assets.serving.api.models import ShopEvent, Text
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import DEVICE_TYPES
from rec_assets.serving.http_client import Recorded
from rec_assets.serving.ids import UNKNOWN, USER
from rec_assets.serving.translation import Device
from rec_assets.settings import Settings
from rec_assets.storefront.explain import ordinal
from rec_assets.storefront.rules import rules_router
from rec_assets.storefront.views import RECENT, FormInput, Shop

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

ItemId = Annotated[int, PathParameter(ge=UNKNOWN, le=MAX_ID)]
Moment = Annotated[int, Query(gt=0, le=MAX_ID)]


class Forget(BaseModel):
    """A click on the button that clears the seen filter of a user."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    user_id: Text


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
            "texts": shop.ids.are_texts,
        }
        return pages.TemplateResponse(request, "page.html", facts)

    @app.get("/list", response_class=HTMLResponse)
    def listing(
        request: Request,
        user: str,
        at: Moment,
        device: Device | None = None,
        diversity: bool = False,
        cold: bool = False,
    ) -> Response:
        _require_id(shop, user)
        form = FormInput(device, at, diversity)
        mine = shop.listing(form, user)
        explanation = mine.explanation
        facts = {
            "mine": mine,
            "cold": shop.listing(form, UNKNOWN) if cold and mine.answer and mine.user_id != UNKNOWN else None,
            "due": shop.due(form, user) if mine.answer else [],
            "problems": shop.problems(mine),
            "recent": [shop.catalog.item(item) for item in (explanation.recent if explanation else [])[:RECENT]],
            "top_category": shop.catalog.name_of(explanation.top_category)
            if explanation and explanation.top_category >= 0
            else None,
            "built": _built(mine.explanation.bundle.path) if mine.explanation else None,
        }
        return pages.TemplateResponse(request, "list.html", facts)

    @app.get("/trending", response_class=HTMLResponse)
    def trending(request: Request, category: Text | None = None) -> Response:
        items, problem = shop.trending(category)
        return pages.TemplateResponse(request, "trending.html", {"items": items, "problem": problem})

    @app.get("/around", response_class=HTMLResponse)
    def around(request: Request, item: Text, user: Text) -> Response:
        shelves, problem = shop.around(item, user)
        facts = {"item": shop.catalog.named(item), "shelves": shelves, "problem": problem}
        return pages.TemplateResponse(request, "around.html", facts)

    @app.post("/events")
    def record(click: ShopEvent) -> Response:
        given = click.user_id, [click.item_id], click.at, click.kind, click.device
        return _recorded(lambda: shop.client.record(*given, wait_s=APPLIED_WITHIN_S))

    @app.post("/forget")
    def forget(given: Forget) -> Response:
        return _recorded(lambda: shop.client.forget(given.user_id, wait_s=APPLIED_WITHIN_S))

    app.include_router(rules_router(settings, shop, pages))

    @app.get("/images/{item_id}.jpg")
    def image(item_id: ItemId) -> Response:
        file = shop.catalog.image(item_id)
        if file is None:
            return Response(NO_IMAGE, media_type="image/svg+xml")
        return FileResponse(file, headers={"Cache-Control": "max-age=3600"})

    @app.get("/health")
    def health() -> Response:
        found = shop.health()
        return JSONResponse(found.model_dump(), 200 if found.has_lists else 503)

    return app


def _require_id(shop: Shop, user: str) -> None:
    """Answers 422 unless the text can be the id of a user."""
    try:
        number = shop.ids.number(USER, user)
    except RequestError as error:
        raise HTTPException(422, str(error)) from error
    if not UNKNOWN <= number <= MAX_ID:
        raise HTTPException(422, f"{USER} id must be {UNKNOWN} to {MAX_ID}")


def _recorded(record: Callable[[], Recorded]) -> Response:
    """Returns whether workers applied the events of a call, and after how long, or what is wrong."""
    start = time.perf_counter()
    try:
        recorded = record()
    except RequestError as error:
        raise HTTPException(422, str(error)) from error
    except ActionableError as error:
        return JSONResponse({"problem": error.problem, "next_step": error.next_step}, status_code=503)
    spent = round(1000 * (time.perf_counter() - start), 1)
    return JSONResponse({"applied": recorded.applied, "milliseconds": spent})


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
