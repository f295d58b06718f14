"""A small collector: takes spans by OTLP over HTTP, as protobuf from Python and as JSON from Triton."""

import gzip
import json
import threading
from base64 import b16decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

IDS = ("traceId", "spanId", "parentSpanId")


@dataclass(frozen=True)
class Span:
    """A span as the collector got it; ids are in hexadecimal digits, and `parent` is empty for the first span."""

    service: str
    trace: str
    id: str
    parent: str
    name: str
    failed: bool
    attributes: dict[str, str | int]
    events: tuple[str, ...]


@dataclass
class Collector:
    """Spans that arrived. While `answers` is not set, requests get no answer."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def trace(self, trace: str) -> list[Span]:
        return [one for one in self.spans if one.trace == trace]

    def names(self, trace: str) -> list[str]:
        return sorted(one.name for one in self.trace(trace))

    def path(self, trace: str, name: str) -> list[Span]:
        """Returns the only span with this name, its parent, and so on up to the first span of the trace."""
        by_id = {one.id: one for one in self.trace(trace)}
        (found,) = (one for one in by_id.values() if one.name == name)
        path = [found]
        while path[-1].parent in by_id:
            path.append(by_id[path[-1].parent])
        return path


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Runs a collector on a free port."""
    collector = Collector()
    collector.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.answers.wait()
            collector.spans += spans_of(body, self.headers.get_content_type(), self.headers.get("Content-Encoding"))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    collector.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        collector.answers.set()
        server.shutdown()
        server.server_close()


def spans_of(body: bytes, content_type: str, encoding: str | None) -> list[Span]:
    request = parsed(gzip.decompress(body) if encoding == "gzip" else body, content_type)
    spans = []
    for resource in request.resource_spans:
        service = next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
        for one in (span for scope in resource.scope_spans for span in scope.spans):
            ids = (one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex())
            attributes = {each.key: each.value.string_value or each.value.int_value for each in one.attributes}
            failed = one.status.code == Status.STATUS_CODE_ERROR
            events = tuple(each.name for each in one.events)
            spans.append(Span(service, *ids, one.name, failed, attributes, events))
    return spans


def parsed(body: bytes, content_type: str) -> ExportTraceServiceRequest:
    if content_type == "application/x-protobuf":
        return ExportTraceServiceRequest.FromString(body)
    assert content_type == "application/json"
    return ParseDict(json.loads(body, object_hook=with_base64_ids), ExportTraceServiceRequest())


def with_base64_ids(given: dict[str, Any]) -> dict[str, Any]:
    """Returns ids as protobuf's JSON has them: OTLP writes hexadecimal digits instead."""
    return {
        key: b64encode(b16decode(value, casefold=True)).decode() if key in IDS else value
        for key, value in given.items()
    }
