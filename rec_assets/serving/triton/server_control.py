"""Controls a running Triton: readiness, loading of models, and a check that all stages answer."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from tritonclient import grpc
from tritonclient.grpc import InferenceServerClientPlugin, Request
from tritonclient.utils import InferenceServerException

from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.spec import BUNDLE_ID
from rec_assets.serving.triton.model_config import BUNDLE_PARAMETER, RECOMMENDER, TOPOLOGIES, shape_of_one
from rec_assets.serving.triton.model_repository import (
    bundle_id,
    live_version,
    remove,
    repository_path,
    switch,
    versions,
)
from rec_assets.settings import Settings

READY_TIMEOUT_S = 2.0
PROBE_TIMEOUT_S = 5.0
LOAD_TIMEOUT_S = 120.0
LIVE = tuple(TOPOLOGIES)
REHEARSAL = "_rehearsal"  # what follows the names of the live ones while a version is on trial
_STRANGER = -1
_TRACEBACK = "\n\nAt:"

T = TypeVar("T")


def is_ready(settings: Settings) -> bool:
    """Returns whether the server takes requests; `probe` tells whether its models answer.

    Triton's own "ready" turns false when any model fails to load, a version on trial included.
    """
    with _client(settings) as client:
        try:
            return bool(client.is_server_live(client_timeout=READY_TIMEOUT_S))
        except InferenceServerException:
            return False


def load(settings: Settings, models: Sequence[str] = LIVE) -> None:
    """Makes the server run ensembles as they are on disk, and what is new among the versions of their members.

    An ensemble that is pinned to a version which does not load is down afterwards: `go_live` rehearses first.

    Raises:
        ActionableError: the server is away, or a model does not load; the reasons of all models are named.
    """
    for model in models:
        try:
            _ask(settings, f"load {model}", lambda client: client.load_model(model, client_timeout=LOAD_TIMEOUT_S))  # noqa: B023
        except ActionableError as error:
            reasons = "".join(f"\n  {line}" for line in _unavailable(settings))
            raise ActionableError(error.problem + reasons, error.next_step) from error


def unload(settings: Settings, model: str) -> None:
    """Makes the server forget a model; raises ActionableError where it is away, or never had it."""
    _ask(settings, f"unload {model}", lambda client: client.unload_model(model, client_timeout=LOAD_TIMEOUT_S))


def smoke_test_version(settings: Settings, version: int) -> None:
    """Loads a published version beside the live one and asks it for recommendations; the live one serves on.

    Raises:
        ActionableError: the server is away, or the version does not load or does not answer; such a version is
            removed from the repository, for no later start would get past it.
    """
    with _rehearsal(settings, version):
        pass


def go_live(settings: Settings, version: int, users: Sequence[int] = ()) -> None:
    """Makes a published version the one that answers, forwards or back, without a failed request.

    Args:
        settings: where repository and server are.
        version: as `publish` returned it.
        users: who is asked about beside a stranger, in the rehearsal and once the version is live.

    Raises:
        ActionableError: as `smoke_test_version`; what was live still is.
    """
    repository = repository_path(settings)
    before = live_version(repository)
    expected = bundle_id(repository, version) if version in versions(repository) else None
    with _rehearsal(settings, version, users):
        switch(repository, version)
        try:
            load(settings)
            probe(settings, users=users, expected=expected)
        except ActionableError:
            if before is None:
                _remove(repository, LIVE)
            else:
                switch(repository, before)
                load(settings)
            raise


@contextmanager
def _rehearsal(settings: Settings, version: int, users: Sequence[int] = ()) -> Iterator[None]:
    """Keeps a version loaded, under ensembles that nobody else asks, for as long as the block runs."""
    repository, names = repository_path(settings), [f"{name}{REHEARSAL}" for name in LIVE]
    switch(repository, version, REHEARSAL)
    try:
        try:
            load(settings, names)
            probe(settings, REHEARSAL, users, bundle_id(repository, version))
        except ActionableError:
            if is_ready(settings) and version != live_version(repository):
                remove(repository, version)
            raise
        yield
    finally:
        for name in names:
            with suppress(ActionableError):  # it was never loaded, or the server is away: nothing is left to unload
                unload(settings, name)
        _remove(repository, names)


def _remove(repository: Path, models: Sequence[str]) -> None:
    for model in models:
        shutil.rmtree(repository / model, ignore_errors=True)


def live_bundle_id(settings: Settings) -> str:
    """Returns the id of the bundle that answers; raises ActionableError where none is loaded or the server is away."""
    config = _ask(settings, "say what is live", lambda client: client.get_model_config(RECOMMENDER).config)
    return str(config.parameters[BUNDLE_PARAMETER].string_value)


def answering_bundle(settings: Settings) -> str | None:
    """Returns the id of the bundle that answers, None where none is loaded or the server is away."""
    with suppress(ActionableError):
        return live_bundle_id(settings)
    return None


def probe(settings: Settings, suffix: str = "", users: Sequence[int] = (), expected: str | None = None) -> None:
    """Asks every topology about a stranger, which takes every stage, and about some users.

    Args:
        settings: where the server is.
        suffix: to the names of the live ones, for a version on trial.
        users: raw ids.
        expected: the id of the bundle that has to answer.

    Raises:
        ActionableError: no list comes, the stranger's is empty, or another bundle answers.
    """
    for topology in LIVE:
        name = topology + suffix
        # Triton goes round a model's processes: one that died shows at its turn.
        for user in (*[_STRANGER] * settings.triton_instances, *users):
            items, by = _ask(settings, "answer", partial(_answer, name=name, shape=shape_of_one(topology), user=user))
            problem = None
            if expected not in (None, by):
                problem = f"{name} answered from bundle {by}, not {expected}."
            elif user == _STRANGER and not items:
                problem = f"{name} has nothing to recommend to a stranger."
            if problem:
                raise ActionableError(problem, "See Triton's log; what was live before still is.")


def _answer(client: grpc.InferenceServerClient, name: str, shape: list[int], user: int) -> tuple[int, str]:
    """Returns how many items a user is recommended, and the id of the bundle that says so."""
    asked = grpc.InferInput("user_id", shape, "INT32")
    asked.set_data_from_numpy(np.full(shape, user, np.int32))
    answer = client.infer(name, [asked], client_timeout=PROBE_TIMEOUT_S)
    return answer.as_numpy("ordered_ids").size, answer.as_numpy(BUNDLE_ID.name).item().decode()


def _unavailable(settings: Settings) -> list[str]:
    """Returns the model versions that failed to load, by reason and without tracebacks."""
    try:
        index = _ask(settings, "list its models", lambda client: client.get_model_repository_index())
    except ActionableError:
        return []
    failed: dict[str, list[str]] = {}
    for model in index.models:
        if model.state == "UNAVAILABLE" and model.reason not in ("", "unloaded"):
            reason = model.reason.split(_TRACEBACK)[0].strip()
            failed.setdefault(reason, []).append(f"{model.name} version {model.version}")
    return [f"{', '.join(names)}: {reason}" for reason, names in failed.items()]


def _ask(settings: Settings, what: str, call: Callable[[grpc.InferenceServerClient], T]) -> T:
    with _client(settings) as client:
        try:
            return call(client)
        except InferenceServerException as error:
            raise ActionableError(
                f"Triton at {settings.host}:{settings.triton_grpc_port} could not {what}: "
                f"{error.message().split(_TRACEBACK)[0].strip()}",
                "See rec status and Triton's log; rec up starts a local server.",
            ) from error


@contextmanager
def _client(settings: Settings) -> Iterator[grpc.InferenceServerClient]:
    client = grpc.InferenceServerClient(f"{settings.host}:{settings.triton_grpc_port}")
    if settings.triton_control_key:
        client.register_plugin(_ControlKey(settings.triton_control_key))
    try:
        yield client
    finally:
        client.close()


class _ControlKey(InferenceServerClientPlugin):
    """Shows the key that a server asks for which lets only some change its models (deploy/helm/triton)."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Request) -> None:
        request.headers["triton-grpc-protocol-control-key"] = self._key
