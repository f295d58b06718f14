"""Finds models whose process died or that were unloaded, and loads them again. Triton's health API reports neither."""

import re

from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton import model_repository, server_control
from rec_assets.settings import Settings

# "… Stub process 'feast_item_lookup_0_0' is not healthy."
_INSTANCE = re.compile(r"'(\w+?)_\d+_\d+'")


def reload_dead_models(settings: Settings, *, busy_counts: bool = False) -> list[str]:
    """Loads models again until the probe that failed succeeds; returns the names of the models.

    Does nothing if the server does not run or has no live bundle.

    Args:
        settings: address of the server.
        busy_counts: as in `server_control.probe`.

    Raises:
        ActionableError: a model does not load, or the probe fails again for the same reason.
    """
    models = model_repository.repository_path(settings)
    loaded: list[str] = []
    problem, tries = "", 0
    while (live := model_repository.live_version(models)) is not None and server_control.is_ready(settings):
        try:
            server_control.probe(settings, busy_counts=busy_counts)
            break
        except ActionableError as error:
            tries = tries + 1 if error.problem == problem else 1
            problem = error.problem
            # Triton names a dead process, but neither a process that hangs nor a topology that was unloaded.
            named = [name for name in _INSTANCE.findall(problem) if name in model_repository.MEMBERS]
            if tries > (1 if named else 2):
                raise
        # An unloaded topology needs no new processes. So all models are loaded again only at the second try.
        again = named or (model_repository.MEMBERS if tries == 2 else ())
        for name in again:
            # Triton loads only files with a new modification time.
            (models / name / str(live) / "model.py").touch()
        server_control.load(settings, [*again, *server_control.LIVE])
        loaded += named or server_control.LIVE
    return list(dict.fromkeys(loaded))
