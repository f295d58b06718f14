"""Errors of the API as problem details (RFC 9457) with a next step."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rec_assets.common.errors import ActionableError
from rec_assets.realtime.events import EventError
from rec_assets.serving.api.corrections import SEE_SCHEMA, next_step_of
from rec_assets.serving.api.models import Problem
from rec_assets.serving.graph.errors import RequestError

logger = logging.getLogger(__name__)


def problem_response(status: int, detail: str, next_step: str, headers: dict[str, str] | None = None) -> Response:
    """Returns a response with a problem."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, next_step=next_step)
    return JSONResponse(body.model_dump(), status, headers, media_type="application/problem+json")


def refusal(status: int, detail: str, next_step: str, headers: dict[str, str] | None = None) -> Response:
    """Returns a response with a problem for a request whose body is not read; closes the connection."""
    # An unread body would be taken for the next request.
    return problem_response(status, detail, next_step, {"connection": "close"} | (headers or {}))


def add_problem_handlers(app: FastAPI) -> None:
    """Makes an application answer every error with a problem."""

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        # Leaves the given values out, because they may have no form in JSON.
        first = error.errors()[0]
        return problem_response(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}.", next_step_of(first))

    @app.exception_handler(RequestError)
    @app.exception_handler(EventError)
    def refused(_: Request, error: Exception) -> Response:
        return problem_response(422, f"Invalid request: {error}.", SEE_SCHEMA)

    @app.exception_handler(ActionableError)
    def unavailable(_: Request, error: ActionableError) -> Response:
        return problem_response(503, error.problem, error.next_step)

    @app.exception_handler(HTTPException)
    def http_error(_: Request, error: HTTPException) -> Response:
        return problem_response(error.status_code, str(error.detail), SEE_SCHEMA, dict(error.headers or {}))

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> Response:
        logger.error("%s failed", request.url.path, exc_info=error)
        return problem_response(500, f"The request failed ({type(error).__name__}).", "Read the log of the API.")
