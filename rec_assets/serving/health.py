"""State of the servers behind the lists, with what is wrong and the next steps. Both clients and the API return it."""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rec_assets.common.errors import ActionableError
from rec_assets.realtime.work_stream import StreamState
from rec_assets.serving.triton.availability import State, UnavailableError

WITHOUT_VALKEY = "Lists are computed without features, history and filter. Events are not accepted."


class ServerProblem(BaseModel):
    """A problem of a server, with the next step."""

    model_config = ConfigDict(frozen=True)

    detail: str
    next_step: str


class Health(BaseModel):
    """State of the servers behind the lists."""

    model_config = ConfigDict(frozen=True)

    state: Literal["serving", "degraded"] | State = Field(
        description="`degraded`: lists without Valkey or without a worker. Neither this nor `serving`: no lists."
    )
    problems: list[ServerProblem]

    @property
    def has_lists(self) -> bool:
        """True if lists are served."""
        return self.state in ("serving", "degraded")


def check(stream_state: Callable[[], StreamState], probe: Callable[[], object]) -> Health:
    """Returns the state of Triton, Valkey and the workers; a problem of Triton is the first.

    Args:
        stream_state: returns the state of the event stream, or raises ActionableError without Valkey.
        probe: requests a list, and raises UnavailableError without one.
    """
    problems = _of_events(stream_state)
    try:
        probe()
    except UnavailableError as error:
        first = ServerProblem(detail=error.problem, next_step=error.next_step)
        return Health(state=error.state, problems=[first, *problems])
    return Health(state="degraded" if problems else "serving", problems=problems)


def _of_events(stream_state: Callable[[], StreamState]) -> list[ServerProblem]:
    try:
        state = stream_state()
    except ActionableError as error:
        return [ServerProblem(detail=f"{error.problem} {WITHOUT_VALKEY}", next_step=error.next_step)]
    if state.workers:
        return []
    detail = f"No worker runs. Events wait in the stream, now {state.waiting + state.taken}."
    return [ServerProblem(detail=detail, next_step="Start one: rec worker, or rec up.")]
