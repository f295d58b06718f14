"""Prepares the folder of Dagster's records on a laptop."""

import os
from pathlib import Path

from rec_assets.settings import Settings

# One training at a time fits a laptop's memory: runs wait for each other. Steps would, too, for one that was killed and
# never gave its place back. Nothing is reported to anyone, and nobody is asked to sign up.
INSTANCE = """\
nux:
  enabled: false
telemetry:
  enabled: false
concurrency:
  pools:
    default_limit: 1
    granularity: run
"""


def prepare_dagster_home(settings: Settings) -> Path:
    """Makes `<home>/dagster` with a `dagster.yaml` if there is none, and points DAGSTER_HOME to it."""
    home = settings.home.absolute() / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(INSTANCE)
    os.environ["DAGSTER_HOME"] = str(home)
    return home
