"""Spans of the API's requests, made by FastAPI."""

from collections.abc import MutableMapping
from typing import Any

from fastapi.telemetry import TelemetryConfig

from rec_assets.common.traces import tracing
from rec_assets.serving.api.keys import OPEN_PATHS

PEOPLE = "/people/"  # these paths contain ids of users, which must not become attributes of spans


def request_spans() -> TelemetryConfig:
    """Returns FastAPI's options: a span for each request that is neither a probe nor about a person."""
    provider = tracing.provider()
    return {
        "tracing": provider is not None,
        "tracer_provider": provider,
        "operation_spans": False,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": _has_no_span,
    }


def _has_no_span(scope: MutableMapping[str, Any]) -> bool:
    path: str = scope.get("path", "")
    return path in OPEN_PATHS or path.startswith(PEOPLE)
