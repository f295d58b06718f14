"""`rec backfill`: builds past days in one run."""

from datetime import datetime
from typing import Annotated

import typer

from rec_assets.cli.console import end_on_signals, load_settings, say


def backfill(
    last: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="DAY", help="Last day to build.")],
) -> None:
    """Ingest and fine-tune all days after the last full training up to a day. Builds only missing and stale days."""
    from rec_assets.cli.local.home import require_usable
    from rec_assets.orchestration.runs.run_local import backfill_phases, rebuild

    settings = load_settings()
    end_on_signals()
    require_usable(settings.home)
    say(f"{rebuild(settings, backfill_phases(settings, last.date()))} assets materialized")
