"""Records spans by OpenTelemetry and sends them by OTLP over HTTP. Imported only if traces are on.

A background thread sends spans in batches. While no collector answers, the oldest spans are dropped.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from threading import Thread

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attributes = Mapping[str, str | int]

EXPORT_S = 5.0  # for one batch, with its retries
LAST_EXPORT_S = 2.0  # for the spans of the last seconds when the process ends

_NO_SPAN = nullcontext()
_W3C = TraceContextTextMapPropagator()


class Traces:
    """The traces of one process. One block of work may belong to several traces, as a batch of requests does."""

    def __init__(self, service: str, endpoint: str, share: float) -> None:
        """Starts the thread that sends spans; does not connect yet. `tracing.start` describes the arguments."""
        self.provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)),
            resource=Resource.create({SERVICE_NAME: service}),
            shutdown_on_exit=False,  # it would wait for a collector that does not answer
        )
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_S)
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self.provider.get_tracer("rec_assets")
        self._spans: ContextVar[tuple[Span, ...]] = ContextVar("spans", default=())

    def stop(self) -> None:
        """Sends the last spans, and returns after `LAST_EXPORT_S` seconds even if no collector answers."""
        thread = Thread(target=self.provider.shutdown, daemon=True)
        thread.start()
        thread.join(LAST_EXPORT_S)

    def span(
        self, name: str, attributes: Attributes | None = None, *, calls: bool = False
    ) -> AbstractContextManager[None]:
        """Adds a span to the current traces; `calls` marks the call of another server."""
        parents = [trace.set_span_in_context(one, Context()) for one in self._current()]
        kind = SpanKind.CLIENT if calls else SpanKind.INTERNAL
        return self._open(name, parents, kind, attributes) if parents else _NO_SPAN

    def new_trace(self, name: str, attributes: Attributes) -> AbstractContextManager[None]:
        """Begins a trace."""
        return self._open(name, [Context()], SpanKind.CONSUMER, attributes)

    def continued(
        self, traceparents: Iterable[str | None], name: str, attributes: Attributes
    ) -> AbstractContextManager[None]:
        """Adds a span to the traces of other processes."""
        parents = [_W3C.extract({"traceparent": one}, Context()) for one in traceparents if one]
        return self._open(name, parents, SpanKind.INTERNAL, attributes) if parents else _NO_SPAN

    def headers(self) -> dict[str, str] | None:
        """Returns the headers of a call to another server."""
        for one in self._current():
            carrier: dict[str, str] = {}
            _W3C.inject(carrier, trace.set_span_in_context(one, Context()))
            return carrier
        return None

    def event(self, text: str) -> None:
        """Adds an event to the current spans."""
        for one in self._current():
            one.add_event(text)

    def mark_failed(self, error: Exception) -> None:
        """Marks the current spans as failed."""
        for one in self._current():
            one.record_exception(error)
            one.set_status(StatusCode.ERROR, type(error).__name__)

    def _current(self) -> Sequence[Span]:
        """Returns the innermost recorded spans: those of this object, or the one of a library that made it current."""
        spans = self._spans.get() or (trace.get_current_span(),)
        return [one for one in spans if one.is_recording()]

    @contextmanager
    def _open(
        self, name: str, parents: Sequence[Context], kind: SpanKind, attributes: Attributes | None
    ) -> Iterator[None]:
        spans = tuple(self._tracer.start_span(name, parent, kind, attributes) for parent in parents)
        token = self._spans.set(spans)
        try:
            yield
        except Exception as error:
            self.mark_failed(error)
            raise
        finally:
            self._spans.reset(token)
            for one in spans:
                one.end()
