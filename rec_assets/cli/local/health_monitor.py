"""Detects models whose process died, which Triton's health API does not report, and loads them again."""

import logging
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from threading import Event

from rec_assets.common.background_thread import background_thread
from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton import model_repository, server_control
from rec_assets.settings import Settings

INTERVAL_S = 2.0  # between two probes; a probe is a real request
# "… Stub process 'feast_item_lookup_0_0' is not healthy."
_INSTANCE = re.compile(r"'(\w+?)_\d+_\d+'")

logger = logging.getLogger(__name__)


def watch(settings: Settings, stop: Event, interval_s: float = INTERVAL_S) -> None:
    """Probes the running server until `stop` is set, and reloads models that do not answer; logs every reload.

    Ignores a server that does not run or has no live bundle. Only `supervision.up` starts servers.
    """
    while not stop.wait(interval_s):
        try:
            for models in reload_dead_models(settings):
                logger.warning("Triton did not answer; loaded again: %s", models)
        except ActionableError as error:
            logger.warning("Triton does not answer, and loading its models again failed: %s", error.problem)


def health_monitor(settings: Settings, interval_s: float = INTERVAL_S) -> AbstractContextManager[None]:
    """Runs `watch` in a background thread until the block ends."""
    return background_thread(lambda stop: watch(settings, stop, interval_s))


def reload_dead_models(settings: Settings) -> Iterator[str]:
    """Loads the models again that a probe finds dead, until the probe succeeds; yields the names after each attempt.

    Raises:
        ActionableError: a model does not load, or the probe fails after the last attempt.
    """
    models = model_repository.repository_path(settings)
    for _ in range(len(model_repository.MEMBERS) + 1):
        live = model_repository.live_version(models)
        if live is None or not server_control.is_ready(settings):
            return
        try:
            server_control.probe(settings)
            return
        except ActionableError as error:
            # Triton names a dead process, but not one that hangs.
            named = [name for name in _INSTANCE.findall(error.problem) if name in model_repository.MEMBERS]
        for name in named or model_repository.MEMBERS:
            # Triton loads only files with a new modification time.
            (models / name / str(live) / "model.py").touch()
        server_control.load(settings, named or model_repository.MEMBERS)
        yield ", ".join(named) or "all models"
    server_control.probe(settings)
