"""Notices models whose process died, which Triton's own health does not tell, and brings them back while it serves."""

import logging
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from threading import Event

from rec_assets.common.background_thread import background_thread
from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton import model_repository, server_control
from rec_assets.settings import Settings

INTERVAL_S = 2.0  # between two probes, which are real requests
# "… Stub process 'feast_item_lookup_0_0' is not healthy."
_INSTANCE = re.compile(r"'(\w+?)_\d+_\d+'")

logger = logging.getLogger(__name__)


def watch(settings: Settings, stop: Event, interval_s: float = INTERVAL_S) -> None:
    """Probes the running server until `stop` is set, and repairs what does not answer; every repair is logged.

    A server that does not run, or serves nothing yet, is left alone: `supervision.up` starts servers.
    """
    while not stop.wait(interval_s):
        try:
            for models in reload_dead_models(settings):
                logger.warning("Triton did not answer; loaded again: %s", models)
        except ActionableError as error:
            logger.warning("Triton does not answer and could not be repaired: %s", error.problem)


def health_monitor(settings: Settings, interval_s: float = INTERVAL_S) -> AbstractContextManager[None]:
    """Watches from a thread of its own for as long as the block runs."""
    return background_thread(lambda stop: watch(settings, stop, interval_s))


def reload_dead_models(settings: Settings) -> Iterator[str]:
    """Loads again what a probe finds dead, one model after the other, until the probe is answered; yields their names.

    Raises:
        ActionableError: they do not load, or do not answer after all of them were loaded.
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
            # One that hangs instead is not named.
            named = [name for name in _INSTANCE.findall(error.problem) if name in model_repository.MEMBERS]
        for name in named or model_repository.MEMBERS:
            # Triton loads only what has a new time.
            (models / name / str(live) / "model.py").touch()
        server_control.load(settings, named or model_repository.MEMBERS)
        yield ", ".join(named) or "all models"
    server_control.probe(settings)
