"""Shows a run in a terminal: a line a step, the lines that assets log, and failures without tracebacks."""

import logging
from typing import Any

from dagster import InitLoggerContext, LoggerDefinition
from rich.console import Console
from rich.markup import escape

console = Console(highlight=False, soft_wrap=True)


class ProgressHandler(logging.Handler):
    """Prints steps as they start, end and fail, and what assets log at INFO and above."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one record, or leaves it out."""
        meta = getattr(record, "dagster_meta", {})
        event: Any = meta.get("dagster_event")
        step = meta.get("step_key")
        message = escape(str(meta.get("orig_message") or record.getMessage()))
        kind = event.event_type_value if event is not None else "LOG"
        if kind == "STEP_START":
            console.print(f"  [cyan]▶[/] {step}")
        elif kind == "STEP_SUCCESS":
            console.print(f"  [green]✓[/] {step} [dim]{event.event_specific_data.duration_ms / 1000:.1f} s[/]")
        elif kind == "STEP_FAILURE":
            console.print(f"  [red]✗ {step}[/]\n{escape(_reason(event))}")
        elif kind == "ASSET_CHECK_EVALUATION":
            evaluation = event.event_specific_data
            mark = "[green]✓[/]" if evaluation.passed else "[red]✗[/]"
            console.print(f"    {mark} [dim]check {evaluation.check_name}[/]")
        elif kind == "LOG" and record.levelno >= logging.INFO:
            console.print(f"    [dim]{message}[/]")


def _reason(event: Any) -> str:
    error = event.event_specific_data.error
    while error.cause is not None:
        error = error.cause
    return str(error.message)


def _progress(context: InitLoggerContext) -> logging.Logger:
    found = logging.Logger("rec_assets.orchestration.runs.console_logger", logging.DEBUG)
    found.addHandler(ProgressHandler())
    return found


progress_logger = LoggerDefinition(_progress, description="Progress for a terminal.")
