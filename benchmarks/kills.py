"""Kills materializations and promotions at random points. The live bundle must answer, and a rerun must complete.

    python -m benchmarks.kills [--times 20]

Works on the state of `REC_HOME` with running servers (`rec up`). The state needs a full training and a later day.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import numpy as np
import typer
from dagster import AssetSelection
from rich.console import Console
from rich.table import Table

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.live_record import find_live
from rec_assets.common.errors import ActionableError
from rec_assets.orchestration import jobs
from rec_assets.orchestration.build import build_defs
from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.serving.client import Client
from rec_assets.serving.promotion.catalog import known_bundles
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import open_store


@dataclass(frozen=True)
class Victim:
    """A command to kill, and its run time without a kill, seconds."""

    name: str
    command: list[str]
    seconds: float


def run(command: list[str], kill_after: float | None = None) -> float:
    """Runs a command, and kills it with all its children after `kill_after` seconds. Returns its run time, seconds.

    Raises:
        ActionableError: the command failed without a kill.
    """
    started = time.monotonic()
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return time.monotonic() - started
    if process.returncode:
        raise ActionableError(
            f"{' '.join(command)} failed:\n{output.decode()[-2000:]}",
            "Fix the error above and run the benchmark again.",
        )
    return time.monotonic() - started


def chain() -> list[str]:
    """Returns the names of a day's assets, from raw rows to the bundle."""
    selection = (jobs.DAILY | jobs.FINETUNING) - AssetSelection.assets("next_day_evaluation")
    return sorted(key.path[-1] for key in selection.resolve(build_defs(get_settings()).resolve_asset_graph()))


def materialize(day: str) -> list[str]:
    """Returns the command that materializes a day, from raw rows to the fine-tuned bundle."""
    select = ",".join(chain())
    dagster = f"{sys.prefix}/bin/dagster"
    return [dagster, "asset", "materialize", "-m", "rec_assets.definitions", "--select", select, "--partition", day]


def promote(bundle_id: str) -> list[str]:
    """Returns the command that promotes a bundle."""
    return [f"{sys.prefix}/bin/rec", "promote", bundle_id]


def check(settings: Settings, store: ArtifactStore) -> str:
    """Requests recommendations and verifies every bundle. Returns the id of the bundle that answered.

    Raises:
        ActionableError: the server does not answer, or a bundle is damaged.
    """
    answer = Client(settings).recommend(1)
    for known in known_bundles(store, settings):
        Bundle.open(known.path, verify=True)
    return answer.bundle_id


def digests(store: ArtifactStore, day: str) -> dict[str, str]:
    """Returns the current digest of each asset of a day."""
    return {asset: store.get(asset, day).digest for asset in chain()}


def kill_by_turns(times: int, rng: np.random.Generator, console: Console) -> bool:
    """Kills commands `times` times. Returns True if the day ends with equal bytes and its bundle is live.

    Raises:
        ActionableError: the server did not answer, or a command failed without a kill.
    """
    settings = get_settings()
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))
    store, day = open_store(settings), (settings.as_of + timedelta(days=1)).isoformat()
    full = Bundle.open(store.get("model_bundle", settings.as_of.isoformat()).path).bundle_id
    console.print("One run without a kill, for the expected bytes and the run time")
    seconds = run(materialize(day))
    expected, fine_tune = digests(store, day), Bundle.open(store.get("finetuned_bundle", day).path).bundle_id
    run(promote(full))
    promotion_seconds = run(promote(fine_tune))
    table = Table("kill", "command", "after s", "answering bundle", title=f"Kill -9, {times} times")
    for number in range(1, times + 1):
        live = find_live(store)
        other = full if live is not None and live.bundle_id == fine_tune else fine_tune
        victim = Victim("promotion", promote(other), promotion_seconds)
        if number % 2:
            victim = Victim("materialization", materialize(day), seconds)
        after = run(victim.command, float(rng.uniform(0.1, 1.0)) * victim.seconds)
        answering = check(settings, store)
        if answering not in (full, fine_tune):
            raise ActionableError(f"An unknown bundle answers ({answering}).", "Check Triton's log.")
        table.add_row(str(number), victim.name, f"{after:.1f}", answering)
        console.print(f"{number}: {victim.name} killed after {after:.1f} s, {answering} answers")
    run(materialize(day))
    run(promote(fine_tune))
    console.print(table)
    same = digests(store, day) == expected and check(settings, store) == fine_tune
    console.print(
        "Both commands completed; the day has equal bytes." if same else "The day or the live bundle is NOT as before."
    )
    return same


def main(
    times: Annotated[int, typer.Option(min=1, help="Number of kills.")] = 20,
    seed: Annotated[int, typer.Option(help="Random seed for the times of the kills.")] = 0,
) -> None:
    """Kills a materialization and a promotion alternately, checks after each kill, and completes both at the end."""
    try:
        same = kill_by_turns(times, np.random.default_rng(seed), Console())
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    raise typer.Exit(0 if same else 1)


if __name__ == "__main__":
    typer.run(main)
