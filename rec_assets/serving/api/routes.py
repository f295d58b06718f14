"""Routes that read and write JSON by pydantic at once."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

_JSON = "application/json"


class JsonRoute(APIRoute):
    """A route with a short way for valid requests of a coroutine function from one model, the body, to another.

    FastAPI parses the body before it validates the body, solves dependencies, and validates the response again, which
    took half of the API's own time. It still describes the route, and answers all other requests.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns the coroutine function that answers a request."""
        usual = super().get_route_handler()
        model = self.body_field.field_info.annotation if self.body_field else None
        if model is None:
            return usual

        async def answer(request: Request) -> Response:
            if request.headers.get("content-type") != _JSON:
                return await usual(request)
            try:
                body = model.model_validate_json(await request.body())
            except ValidationError:
                return await usual(request)
            made: BaseModel = await self.endpoint(body)
            return Response(made.model_dump_json(), media_type=_JSON)

        return answer
