"""Spans of the traces that this process takes part in. Before `start`, nothing is imported and nothing is measured."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from rec_assets.common.errors import ActionableError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from rec_assets.common.traces.open_telemetry import Attributes, Traces

_NO_SPAN = nullcontext()
_traces: "Traces | None" = None


def start(service: str, endpoint: str, share: float) -> None:
    """Sends the spans of this process to a collector from now on. Does nothing without an endpoint, or a second time.

    Args:
        service: name of the process in traces.
        endpoint: address of the collector, such as http://localhost:4318; empty: no traces.
        share: share of traces that this process records, of those that begin here.

    Raises:
        ActionableError: the libraries are not installed.
    """
    global _traces
    if not endpoint or _traces is not None:
        return
    try:
        from rec_assets.common.traces.open_telemetry import Traces
    except ImportError as error:
        raise ActionableError(
            f"The library of traces is missing ({error.name}).",
            "Install it: pip install 'rec_assets[tracing]', or unset REC_OTLP_ENDPOINT.",
        ) from error
    _traces = Traces(service, endpoint, share)


def stop() -> None:
    """Sends the last spans within two seconds, and ends the traces of this process."""
    global _traces
    if _traces is not None:
        _traces.stop()
    _traces = None


@contextmanager
def traces(service: str, endpoint: str, share: float) -> Iterator[None]:
    """Calls `start`, and `stop` at the end of the block."""
    start(service, endpoint, share)
    try:
        yield
    finally:
        stop()


def provider() -> "TracerProvider | None":
    """Returns the provider of spans, for libraries that make spans themselves."""
    return None if _traces is None else _traces.provider


def span(name: str) -> AbstractContextManager[None]:
    """Measures a block as a part of the current work; an exception marks the span. Outside of a trace, does nothing."""
    return _NO_SPAN if _traces is None else _traces.span(name)


def call(name: str, attributes: "Attributes") -> AbstractContextManager[None]:
    """Measures a call to another server like `span`."""
    return _NO_SPAN if _traces is None else _traces.span(name, attributes, calls=True)


def new_trace(name: str, attributes: "Attributes") -> AbstractContextManager[None]:
    """Measures a block that no request caused; a share of these blocks becomes a trace."""
    return _NO_SPAN if _traces is None else _traces.new_trace(name, attributes)


def continued(traceparents: Iterable[str | None], name: str, attributes: "Attributes") -> AbstractContextManager[None]:
    """Measures a block that answers requests of other processes.

    Args:
        traceparents: header `traceparent` (W3C Trace Context) of each request; None without a trace. Every trace gets
            all spans of the block.
        name: name of the span.
        attributes: attributes of the span.
    """
    return _NO_SPAN if _traces is None else _traces.continued(traceparents, name, attributes)


def headers() -> dict[str, str] | None:
    """Returns the headers that let another server continue the current trace; None outside of a recorded trace."""
    return None if _traces is None else _traces.headers()


def event(text: str) -> None:
    """Adds an event to the current spans."""
    if _traces is not None:
        _traces.event(text)


def mark_failed(error: Exception) -> None:
    """Marks the current spans as failed, for an error that becomes an answer."""
    if _traces is not None:
        _traces.mark_failed(error)
