"""Prints a run to a terminal: steps, log lines of assets, check results, and failures without tracebacks."""

import logging
from typing import Any

from dagster import AssetCheckSeverity, InitLoggerContext, LoggerDefinition
from rich.console import Console
from rich.markup import escape

console = Console(highlight=False, soft_wrap=True)


class ProgressHandler(logging.Handler):
    """Prints starts, ends and failures of steps, check results, and log records of assets from level INFO up."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints or skips one record."""
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
            console.print(f"  [red]✗ {step}[/]\n{escape(failure_reason(event))}")
        elif kind == "ASSET_CHECK_EVALUATION":
            evaluation = event.event_specific_data
            failed = "[yellow]![/]" if evaluation.severity == AssetCheckSeverity.WARN else "[red]✗[/]"
            mark = "[green]✓[/]" if evaluation.passed else failed
            reason = f": {escape(evaluation.description)}" if evaluation.description and not evaluation.passed else ""
            console.print(f"    {mark} [dim]check {evaluation.check_name}[/]{reason}")
        elif kind == "LOG" and record.levelno >= logging.INFO:
            console.print(f"    [dim]{message}[/]")


def failure_reason(event: Any) -> str:
    """Returns the message of the first cause of a step failure."""
    error = event.event_specific_data.error
    while error.cause is not None:
        error = error.cause
    return str(error.message)


def _progress(context: InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("rec_assets.orchestration.runs.console_logger", logging.DEBUG)
    logger.addHandler(ProgressHandler())
    return logger


progress_logger = LoggerDefinition(_progress, description="Prints progress to a terminal.")
