"""Explains why Triton serves no recommender: it is starting, never got a bundle, is broken, or does not run.

Knows more about a server of this home than about one on another machine.
"""

from typing import Literal

from tritonclient.utils import InferenceServerException

from rec_assets.common.concurrency.loop import loop_state
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.triton.control.key import LOCAL_HOSTS
from rec_assets.serving.triton.model_repository import live_version, repository_path
from rec_assets.settings import Settings

State = Literal["starting", "never promoted", "broken", "stopped"]
SUPERVISOR = "supervisor"  # the loop that restarts servers of this home
RETRY = "Retry in some seconds; `rec status` shows the progress."


class UnavailableError(ActionableError):
    """Triton serves no recommender. The attribute `state` has the reason."""

    def __init__(self, state: State, problem: str, next_step: str) -> None:
        super().__init__(problem, next_step)
        self.state: State = state


class NotServedError(UnavailableError):
    """The server runs, but does not serve the model."""


def unreachable(settings: Settings) -> UnavailableError:
    """Returns the error for a server that accepts no connection."""
    address = f"{settings.host}:{settings.triton_grpc_port}"
    if _is_supervised(settings):
        return UnavailableError("starting", f"Triton at {address} does not answer yet: it is starting.", RETRY)
    step = "Start it with `rec up`." if settings.host in LOCAL_HOSTS else "Check REC_HOST and that the server runs."
    return UnavailableError("stopped", f"Triton does not answer at {address}.", step)


def not_served(settings: Settings, model: str) -> NotServedError:
    """Returns the error for a running server that does not serve a model."""
    address = f"{settings.host}:{settings.triton_grpc_port}"
    if settings.host not in LOCAL_HOSTS:
        step = "Promote a first bundle. If one is live, read the logs of Triton and of its agent."
        return NotServedError("broken", f"Triton at {address} serves no {model}.", step)
    live = live_version(repository_path(settings))
    if live is None:
        problem = f"Triton at {address} serves no {model}: no bundle was promoted yet."
        return NotServedError("never promoted", problem, "Train and promote a first bundle with `make demo`.")
    if _is_supervised(settings):
        return NotServedError("starting", f"Triton at {address} is loading {model}.", RETRY)
    problem = f"Triton at {address} does not serve {model}, although version {live} is live."
    return NotServedError("broken", problem, "Read Triton's log, then load the models again with `rec up`.")


def failed(settings: Settings, message: str) -> UnavailableError:
    """Returns the error for a request that failed inside the server."""
    step = RETRY if _is_supervised(settings) else "Read Triton's log, then restart Triton with `rec up`."
    problem = f"Triton at {settings.host}:{settings.triton_grpc_port} failed: {message}"
    return UnavailableError("broken", problem, step)


def translated(settings: Settings, error: InferenceServerException, model: str) -> Exception:
    """Returns the RequestError or UnavailableError for an error of a request to a model."""
    status, message = str(error.status()), str(error.message())
    if "INVALID_ARGUMENT" in status:
        return RequestError(message.removeprefix(f"in ensemble '{model}', "))
    if "UNAVAILABLE" in status and "model" not in message.lower():
        return unreachable(settings)
    if "NOT_FOUND" in status or "UNAVAILABLE" in status:
        return not_served(settings, model)
    return failed(settings, message)


def _is_supervised(settings: Settings) -> bool:
    state = loop_state(settings.home, SUPERVISOR) if settings.host in LOCAL_HOSTS else None
    return state is not None and state.is_alive
