"""Prepares the Dagster home folder on a laptop."""

import os
from pathlib import Path

from rec_assets.settings import Settings

# A laptop's memory fits one training, so runs queue for a pool. The limit is per run, not per step: a killed step would
# keep its slot and block later steps. Telemetry and the sign-up prompt are off.
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
    """Creates `<home>/dagster/dagster.yaml` if it is missing, sets DAGSTER_HOME, and returns the folder."""
    home = settings.home.absolute() / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(INSTANCE)
    os.environ["DAGSTER_HOME"] = str(home)
    return home
