"""Finds models whose process died or that were unloaded, and loads them again. Triton's health API reports neither."""

import re
from collections.abc import Callable, Sequence

from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton import model_config, model_repository
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.control.calls import ServerTimeoutError
from rec_assets.serving.triton.control.probe import probe
from rec_assets.settings import Settings

# "… Stub process 'feast_item_lookup_0_0' is not healthy."
_INSTANCE = re.compile(r"'(\w+?)_\d+_\d+'")


def reload_dead_models(
    settings: Settings, dead: Sequence[str] = (), end_named: Callable[[str], object] | None = None
) -> list[str]:
    """Loads models again until the probe that failed succeeds; returns the names of the models.

    Does nothing if the server does not run or has no live bundle. A probe without an answer in time changes nothing,
    because a busy server would become even slower.

    Args:
        settings: address and repository of the server.
        dead: models that are known to have lost a process; they are loaded before the first probe.
        end_named: called with the error of a failed probe before models are loaded; ends the processes that it names.

    Raises:
        ServerTimeoutError: the server did not answer a probe in time.
        ActionableError: a model does not load, or the probe fails again for the same reason.
    """
    models = model_repository.repository_path(settings)
    loaded: list[str] = []
    if dead and (live := model_repository.live_version(models)) is not None:
        _load_again(settings, dead, live)
        loaded += dead
    problem, tries = "", 0
    while (live := model_repository.live_version(models)) is not None and server_control.is_ready(settings):
        try:
            probe(settings, busy_counts=True)
            break
        except ServerTimeoutError:
            raise
        except ActionableError as error:
            tries = tries + 1 if error.problem == problem else 1
            problem = error.problem
            # Triton names a dead process, but neither a process that hangs nor a topology that was unloaded.
            named = [name for name in _INSTANCE.findall(problem) if name in model_repository.MEMBERS]
            if tries > (1 if named else 2):
                raise
        # An unloaded topology needs no new processes. So all models are loaded again only at the second try.
        if end_named is not None:
            end_named(problem)
        _load_again(settings, named or (model_repository.MEMBERS if tries == 2 else ()), live)
        loaded += named or model_config.LIVE
    return list(dict.fromkeys(loaded))


def _load_again(settings: Settings, models: Sequence[str], live: int) -> None:
    for name in models:
        # Triton loads only files with a new modification time.
        (model_repository.repository_path(settings) / name / str(live) / "model.py").touch()
    server_control.load(settings, [*models, *model_config.LIVE])
