"""The page of the shop's rules: shows them, compares a draft with and without it, and saves it for a local owner."""

import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict

from rec_assets.common.errors import ActionableError
from rec_assets.common.http.guard import is_loopback
from rec_assets.evaluation.bundles.try_rules import try_rules
from rec_assets.serving.rule_versions import NO_RULES, ShopRules
from rec_assets.serving.triton.local_bundle import live_bundle
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.stores import open_store
from rec_assets.storage.valkey.own_server import require_own_valkey
from rec_assets.storefront.views import Problem, Shop

SHOWN = 8  # items that come or go
USERS = 200  # of a comparison, so that it takes seconds


class Draft(BaseModel):
    """Rules that the owner wrote, and the version that the page shows."""

    model_config = ConfigDict(strict=True, extra="forbid")

    text: str
    version: int


def is_owner(request: Request, settings: Settings) -> bool:
    """Returns True if only this machine reaches the storefront, under an address of this machine."""
    client = request.client.host if request.client else ""
    host = request.url.hostname or ""
    return all(is_loopback(address) for address in (settings.storefront_address, client, host))


def rules_router(settings: Settings, shop: Shop, pages: Jinja2Templates) -> APIRouter:
    """Returns the page and the actions of its buttons. Only a local owner may compare and save."""
    router, rules, running = APIRouter(), ShopRules(settings, shop.ids), Lock()

    def owner(request: Request) -> None:
        if not is_owner(request, settings):
            raise HTTPException(403, "rules are saved on the machine of the shop: use `rec rules set`")
        # Pages of other sites cannot send this type without a question to this server, which refuses it.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(422, "the body must be application/json")

    Owned = Annotated[None, Depends(owner)]

    @router.get("/rules", response_class=HTMLResponse)
    def page(request: Request) -> Response:
        facts: dict[str, object] = {"owner": is_owner(request, settings)}
        try:
            facts["current"] = rules.versions().current
        except ActionableError as error:
            facts |= {"current": NO_RULES, "owner": False, "problem": Problem.of(error)}
        return pages.TemplateResponse(request, "rules.html", facts)

    @router.post("/rules/try", response_class=HTMLResponse)
    def compare(request: Request, draft: Draft, _: Owned) -> Response:
        facts: dict[str, object] = {}
        if not running.acquire(blocking=False):
            raise HTTPException(429, "another comparison runs")
        try:
            found, bundle = rules.check(draft.text), live_bundle(settings)
            if bundle is None:
                raise ActionableError("No bundle is live on this machine.", "Promote one with `rec promote`.")
            trial = try_rules(bundle, open_store(settings), settings, found, datetime.now(UTC), USERS)
            facts["trial"] = trial
            for name in ("came", "went"):
                facts[name] = [(shop.catalog.item(item), count) for item, count in getattr(trial, name)[:SHOWN]]
        except ActionableError as error:
            facts["problem"] = Problem.of(error)
        finally:
            running.release()
        return pages.TemplateResponse(request, "rules_trial.html", facts)

    @router.post("/rules")
    def save(draft: Draft, _: Owned) -> Response:
        return _saved(draft, lambda: rules.publish(draft.text, getpass.getuser()).title)

    @router.post("/rules/undo")
    def undo(draft: Draft, _: Owned) -> Response:
        return _saved(draft, lambda: rules.undo(getpass.getuser()).title)

    def _saved(draft: Draft, publish: Callable[[], str]) -> Response:
        try:
            require_own_valkey(settings)
            if rules.versions().current.number != draft.version:
                raise ActionableError("The rules changed after this page was loaded.", "Load the page again.")
            return JSONResponse({"saved": publish()})
        except ActionableError as error:
            return JSONResponse({"problem": error.problem, "next_step": error.next_step}, 409)

    return router
