"""Controls a running Triton: loads models, switches versions, and checks that all stages answer."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tritonclient.utils import InferenceServerException

from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton import model_config
from rec_assets.serving.triton.control.calls import TRACEBACK, call, control_client
from rec_assets.serving.triton.control.probe import probe
from rec_assets.serving.triton.model_config import BUNDLE_PARAMETER, CANDIDATE_SUFFIX, RECOMMENDER
from rec_assets.serving.triton.model_repository import (
    MEMBERS,
    bundle_id,
    live_version,
    remove,
    repository_path,
    switch,
    versions,
)
from rec_assets.settings import Settings

READY_TIMEOUT_S = 2.0
LOAD_TIMEOUT_S = 120.0
REHEARSAL = "_rehearsal"  # suffix to the names of the live models during a smoke test


def is_ready(settings: Settings) -> bool:
    """Returns True if the server accepts requests; `probe` checks that its models answer.

    Does not read Triton's "ready" state, which is False if any model fails to load, even during a smoke test.
    """
    with control_client(settings) as client:
        try:
            return bool(client.is_server_live(client_timeout=READY_TIMEOUT_S))
        except InferenceServerException:
            return False


def load(settings: Settings, models: Sequence[str] | None = None) -> None:
    """Makes the server read models from disk again, with new and removed versions of their members.

    Example: the server answers from version 1. `publish` adds version 2 of all members to the disk, and `switch` pins
    both ensembles to version 2. The server still answers from version 1. `load(settings)` loads version 2 of the
    members, and then the ensembles answer from version 2.

    If that version does not load, the ensemble stops answering. Therefore `go_live` tests the version before.

    Args:
        settings: address of the server.
        models: names of the models to load, in order; by default the ensembles that clients call (`model_config.LIVE`).

    Raises:
        ActionableError: the server is unreachable, or a model does not load; the message has the reasons of all models.
    """
    for model in model_config.LIVE if models is None else models:
        _load_model(settings, model)


def _load_model(settings: Settings, model: str) -> None:
    try:
        call(settings, f"load {model}", lambda client: client.load_model(model, client_timeout=LOAD_TIMEOUT_S))
    except ActionableError as error:
        reasons = "".join(f"\n  {line}" for line in _load_failures(settings))
        raise ActionableError(error.problem + reasons, error.next_step) from error


def unload(settings: Settings, model: str) -> None:
    """Makes the server unload a model; raises ActionableError if it is unreachable or never loaded the model."""
    call(settings, f"unload {model}", lambda client: client.unload_model(model, client_timeout=LOAD_TIMEOUT_S))


def smoke_test_version(settings: Settings, version: int) -> None:
    """Loads a published version beside the live one and sends it trial requests. The live version keeps answering.

    Raises:
        ActionableError: the server is unreachable, or the version does not load or does not answer. Such a version is
            removed from the repository, because it would make every later start fail.
    """
    with _smoke_tested(settings, version):
        pass


def go_live(settings: Settings, version: int, users: Sequence[int] = ()) -> None:
    """Switches to a newer or older published version without a failed request.

    Args:
        settings: paths and address of repository and server.
        version: version number from `publish`.
        users: raw ids of users for trial requests, before and after the switch; an anonymous user is always tested.

    Raises:
        ActionableError: `smoke_test_version` fails, or the version fails after the switch. The previous version stays
            live.
    """
    repository = repository_path(settings)
    before = live_version(repository)
    expected = bundle_id(repository, version) if version in versions(repository) else None
    with _smoke_tested(settings, version, users):
        switch(repository, version)
        try:
            load(settings)
            probe(settings, users=users, expected=expected)
        except ActionableError:
            if before is None:
                _remove(repository, model_config.LIVE)
            else:
                switch(repository, before)
                load(settings)
            raise


def load_candidate(settings: Settings, version: int) -> None:
    """Loads a published version beside the live one for a canary, and tests it. The live version keeps answering.

    Clients call it by the names of the live models with `CANDIDATE_SUFFIX`.

    Raises:
        ActionableError: as `smoke_test_version`; then no candidate is loaded.
    """
    try:
        _load_beside(settings, version, CANDIDATE_SUFFIX)
    except ActionableError:
        unload_candidate(settings)
        raise


def unload_candidate(settings: Settings) -> None:
    """Unloads the candidate; does nothing without one. Its version stays published."""
    _unload_beside(settings, CANDIDATE_SUFFIX)


def candidate_id(settings: Settings) -> str | None:
    """Returns the id of the candidate that the server has loaded, None without one or if it is unreachable."""
    with suppress(ActionableError):
        return _bundle_of(settings, RECOMMENDER + CANDIDATE_SUFFIX)
    return None


@contextmanager
def _smoke_tested(settings: Settings, version: int, users: Sequence[int] = ()) -> Iterator[None]:
    """Tests a version and keeps it loaded during the block, in ensembles that clients do not call."""
    try:
        _load_beside(settings, version, REHEARSAL, users)
        yield
    finally:
        _unload_beside(settings, REHEARSAL)


def _load_beside(settings: Settings, version: int, suffix: str, users: Sequence[int] = ()) -> None:
    """Loads a version in ensembles of their own and sends trial requests; removes a version that fails."""
    repository = repository_path(settings)
    switch(repository, version, suffix)
    try:
        load(settings, [f"{name}{suffix}" for name in model_config.LIVE])
        probe(settings, suffix, users, bundle_id(repository, version))
    except ActionableError:
        if is_ready(settings) and version != live_version(repository):
            remove(repository, version)
        raise


def _unload_beside(settings: Settings, suffix: str) -> None:
    repository = repository_path(settings)
    names = [name + suffix for name in model_config.ensembles() if (repository / f"{name}{suffix}").exists()]
    for name in names:
        with suppress(ActionableError):  # the model was never loaded, or the server is unreachable
            unload(settings, name)
    _remove(repository, names)


def _remove(repository: Path, models: Sequence[str]) -> None:
    for model in models:
        shutil.rmtree(repository / model, ignore_errors=True)


def live_bundle_id(settings: Settings) -> str:
    """Returns the id of the live bundle; raises ActionableError if none is loaded or the server is unreachable."""
    return _bundle_of(settings, RECOMMENDER)


def answering_bundle(settings: Settings) -> str | None:
    """Returns the id of the live bundle, None if none is loaded or the server is unreachable."""
    with suppress(ActionableError):
        return live_bundle_id(settings)
    return None


def _bundle_of(settings: Settings, model: str) -> str:
    config = call(settings, f"return the bundle of {model}", lambda client: client.get_model_config(model).config)
    return str(config.parameters[BUNDLE_PARAMETER].string_value)


def loaded_versions(settings: Settings) -> set[int]:
    """Returns the versions of which a model is loaded; raises ActionableError if the server is unreachable."""
    index = call(settings, "list its models", lambda client: client.get_model_repository_index())
    return {int(one.version) for one in index.models if one.state == "READY" and one.name in MEMBERS}


def _load_failures(settings: Settings) -> list[str]:
    """Returns one line per reason of a failed load, with its model versions and without a traceback."""
    try:
        index = call(settings, "list its models", lambda client: client.get_model_repository_index())
    except ActionableError:
        return []
    failed: dict[str, list[str]] = {}
    for model in index.models:
        if model.state == "UNAVAILABLE" and model.reason not in ("", "unloaded"):
            reason = model.reason.split(TRACEBACK)[0].strip()
            failed.setdefault(reason, []).append(f"{model.name} version {model.version}")
    return [f"{', '.join(names)}: {reason}" for reason, names in failed.items()]
