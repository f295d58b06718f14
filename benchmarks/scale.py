"""Builds a live bundle from raw rows at any size. Prints time and memory of every asset from Dagster's records.

    python -m benchmarks.scale run 1000000 [--items-times 10]
    python -m benchmarks.scale table
    python -m benchmarks.scale next-day 1000000
    python -m benchmarks.scale backfill 1000000 --days 30

The number of users grows with the rows per day: 13 million rows are 300,000 users. All days are in the training
window, so all rows are used. Each size has its own home in `.rec/scale`. `next-day` runs the job `daily_update` for the
next day: ingest, features, online store, fine-tune, evaluation, bundle. `backfill` materializes many days in one
request, and prints their size on disk.
"""

import json
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.dagster_costs import costs, exponent, last_run_seconds, left, run_seconds
from benchmarks.machine import machine
from rec_assets.orchestration import jobs
from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.settings import Settings, get_settings

ROWS_PER_USER = 13_000_000 / 300_000
HOMES = Path(".rec") / "scale"
SHORTEST_S = 1.0  # the growth of shorter times is noise
FIRST_TIME = (jobs.catalog, jobs.daily_data, jobs.online_store, jobs.full_training, jobs.promote)
DAILY_UPDATE = jobs.daily_update.name
PARTITION = "dagster/partition"
FINETUNED = (jobs.DAILY | jobs.FINETUNING).to_selection_str()

app = typer.Typer(add_completion=False, help=__doc__)


def environment(rows: int, home: Path, days_after: int = 0, items_times: int = 1) -> dict[str, str]:
    """Returns the environment variables of a shop.

    Args:
        rows: interactions in all days together.
        home: the folder of the shop's state.
        days_after: further days after them, with as many rows per day.
        items_times: multiple of the default number of items.
    """
    shop = Settings()
    sizes = {
        "USERS": max(100, round(rows / ROWS_PER_USER)),
        "INTERACTIONS_PER_DAY": max(1, rows // shop.days),
        "ITEMS": shop.retail_items * items_times,
    }
    return {
        "REC_SOURCE": "retail",
        "REC_HOME": str(home),
        "REC_DAYS": str(shop.days + days_after),
        "REC_TRAIN_DAYS": str(shop.days - shop.valid_days),
        **{f"REC_RETAIL_{name}": str(size) for name, size in sizes.items()},
    }


@app.command()
def run(
    rows: Annotated[int, typer.Argument(min=1_000, help="Interactions in all days together.")],
    items_times: Annotated[int, typer.Option(min=1, help="Multiple of the default number of items.")] = 1,
) -> None:
    """Runs `rec demo` at this size. A second run continues the first."""
    home = HOMES / (str(rows) if items_times == 1 else f"{rows}x{items_times}")
    command, variables = [str(Path(sys.executable).with_name("rec")), "demo"], environment(rows, home, 0, items_times)
    raise typer.Exit(subprocess.run(command, env={**os.environ, **variables}, check=False).returncode)


@app.command()
def next_day(
    rows: Annotated[int, typer.Argument(min=1_000, help="A size of an earlier `run`.")],
) -> None:
    """Runs the job daily_update for the next day, and prints the cost of each asset."""
    home, console = HOMES / str(rows), Console(width=None if sys.stdout.isatty() else 120)
    variables = environment(rows, home, days_after=1)
    settings = Settings().model_copy(update={"home": home})
    day = (settings.start_date + timedelta(days=settings.days)).isoformat()
    prepare_dagster_home(settings)
    programs, everything = Path(sys.executable).parent, {**os.environ, **variables}
    job = ["job", "execute", "-m", "rec_assets.definitions", "-j", DAILY_UPDATE, "--tags"]
    try:
        subprocess.run([programs / "rec", "up"], env=everything, check=True)
        subprocess.run([programs / "dagster", *job, json.dumps({PARTITION: day})], env=everything, check=True)
    finally:
        subprocess.run([programs / "rec", "down"], env=everything, check=True)
    shown = Table("asset", "seconds", "peak memory, MB")
    for asset, cost in costs(settings, [day]).items():
        shown.add_row(asset, f"{cost.seconds:.1f}", f"{cost.peak_mb:,.0f}")
    shown.add_section()
    shown.add_row("the run, with its checks", f"{last_run_seconds(settings, DAILY_UPDATE):.1f}", "")
    console.print(f"{machine()}; {day}, about {rows // settings.days:,} rows")
    console.print(shown)


@app.command()
def backfill(
    rows: Annotated[int, typer.Argument(min=1_000, help="A size of an earlier `run`.")],
    days: Annotated[int, typer.Option(min=2, help="Number of days after the days of `run`.")] = 30,
) -> None:
    """Fine-tunes many days in one request. Prints time and memory of three days, and the size on disk per day."""
    home, console = HOMES / str(rows), Console(width=None if sys.stdout.isatty() else 120)
    settings = Settings().model_copy(update={"home": home})
    keys = [(settings.start_date + timedelta(days=settings.days + n)).isoformat() for n in range(days)]
    prepare_dagster_home(settings)
    before, started = left(home), time.monotonic()
    command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "-m", "rec_assets.definitions"]
    subprocess.run(
        [*command, "--partition-range", f"{keys[0]}...{keys[-1]}", "--select", FINETUNED],
        env={**os.environ, **environment(rows, home, days_after=days)},
        check=True,
    )
    seconds, after = time.monotonic() - started, left(home)
    shown = Table("asset", *(f"{key}: s, MB" for key in (keys[0], keys[days // 2], keys[-1])))
    by_day = [costs(settings, [key]) for key in (keys[0], keys[days // 2], keys[-1])]
    for asset in by_day[0]:
        shown.add_row(asset, *(f"{one[asset].seconds:.1f}, {one[asset].peak_mb:,.0f}" for one in by_day))
    console.print(f"{machine()}; {days} days of about {rows // settings.days:,} rows: {seconds / 60:.1f} min")
    console.print(shown)
    for part, size in after.items():
        console.print(f"{part}: {(size - before[part]) / days / 1e6:.2f} MB per day")


@app.command()
def table(homes: Annotated[Path, typer.Argument(help="The folder with a home per size.")] = HOMES) -> None:
    """Prints time and peak memory of every asset at every size, and their growth with the rows."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    folders = {size: folder for folder in homes.glob("*") if (size := size_of(folder.name))}
    sizes = {size: folders[size] for size in sorted(folders, key=lambda size: (size[1], size[0]))}
    if not sizes:
        console.print(f"{homes} has no runs. Run `python -m benchmarks.scale run 1000000`.")
        raise typer.Exit(1)
    shop = get_settings()
    days = [(shop.start_date + timedelta(days=n)).isoformat() for n in range(shop.days)]
    settings = {size: shop.model_copy(update={"home": home}) for size, home in sizes.items()}
    measured = {size: costs(one, [None, *days]) for size, one in settings.items()}
    titles = [f"{rows:,} rows" + (f", {items} times the items" if items > 1 else "") for rows, items in sizes]
    shown = Table("asset", *titles, "time grows as", "memory as")
    for asset in measured[next(iter(sizes))]:
        by_size = {size: by_asset[asset] for size, by_asset in measured.items() if asset in by_asset}
        costs_by_size = [by_size.get(size) for size in sizes]
        cells = [f"{cost.seconds:.1f} s, {cost.peak_mb:,.0f} MB" if cost else "" for cost in costs_by_size]
        default_items = {rows: cost for (rows, items), cost in by_size.items() if items == 1}
        seconds = exponent({rows: cost.seconds for rows, cost in default_items.items() if cost.seconds >= SHORTEST_S})
        memory = exponent({rows: cost.peak_mb for rows, cost in default_items.items()})
        shown.add_row(asset, *cells, *map(_power, (seconds, memory)))
    totals = {size: run_seconds(one, [job.name for job in FIRST_TIME]) for size, one in settings.items()}
    peaks = {size: max(cost.peak_mb for cost in by_asset.values()) for size, by_asset in measured.items()}
    shown.add_section()
    shown.add_row(
        "all, with checks and promotion",
        *(f"{totals[size] / 60:.1f} min, {peaks[size]:,.0f} MB" for size in sizes),
        *(_power(exponent({rows: one[rows, 1] for rows, items in sizes if items == 1})) for one in (totals, peaks)),
    )
    console.print(machine())
    console.print(shown)


def size_of(name: str) -> tuple[int, int] | None:
    """Parses rows and the multiple of items from the name of a home."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", name)
    return None if match is None else (int(match[1]), int(match[2] or 1))


def _power(fitted: float | None) -> str:
    return "" if fitted is None else f"rows^{fitted:.2f}"


if __name__ == "__main__":
    app()
