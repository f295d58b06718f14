"""Measures the daily assets of a shop with many small days.

.venv/bin/python -m benchmarks.small_days [--days 365] [--rows 50] prints the seconds of catalog and days, and of each
asset without its events and checks.
"""

import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.dagster_costs import costs
from benchmarks.zoo import FIRST, shop, write
from rec_assets.settings import Settings


def main(
    days: Annotated[int, typer.Option(min=2, help="Number of days.")] = 365,
    rows: Annotated[int, typer.Option(help="Rows of a day.")] = 50,
) -> None:
    """Builds the days of a shop of 60 users and 40 items."""
    from rec_assets.orchestration.runs.run_local import phases, rebuild

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        write(shop(per_day=rows, days=days), data)
        home = Path(folder) / "home"
        settings = Settings(
            home=home,
            source="files",
            files_location=str(data),
            start_date=FIRST,
            days=days,
            train_days=days - 1,  # a full training reads all days
            valid_days=1,
        )
        catalog, daily, *_ = phases(settings)
        for phase in (catalog, daily):
            started = time.monotonic()
            rebuild(settings, [phase])
            typer.echo(f"{phase.job}: {time.monotonic() - started:.1f} s")
        keys = {(FIRST + timedelta(days=n)).isoformat() for n in range(days)}
        for asset, cost in sorted(costs(settings, keys).items(), key=lambda one: -one[1].seconds):
            typer.echo(f"| {asset} | {cost.seconds:.1f} | {cost.peak_mb / 1_000:.1f} GB |")


if __name__ == "__main__":
    typer.run(main)
