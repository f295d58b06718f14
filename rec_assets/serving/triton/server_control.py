"""Controls a running Triton: loads models, switches versions, and checks that all stages answer."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from tritonclient import grpc
from tritonclient.grpc import InferenceServerClientPlugin, Request
from tritonclient.utils import InferenceServerException

from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.request import PROBE
from rec_assets.serving.graph.spec import BUNDLE_ID
from rec_assets.serving.triton import control_key
from rec_assets.serving.triton.model_config import (
    BUNDLE_PARAMETER,
    RECOMMENDER,
    RELATED_ITEMS,
    ensembles,
    shape_of_one,
)
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
PROBE_TIMEOUT_S = 5.0
LOAD_TIMEOUT_S = 120.0
LIVE = tuple(ensembles())
REHEARSAL = "_rehearsal"  # suffix to the names of the live models during a smoke test
_ANONYMOUS_USER = _UNKNOWN_ITEM = -1
_READ_LOG = "Read Triton's log. The previous bundle stays live."
_TRACEBACK = "\n\nAt:"
_TIMEOUT = "StatusCode.DEADLINE_EXCEEDED"

T = TypeVar("T")


class ServerTimeoutError(ActionableError):
    """The server did not answer in time: it is busy, or it hangs."""


def is_ready(settings: Settings) -> bool:
    """Returns True if the server accepts requests; `probe` checks that its models answer.

    Does not read Triton's "ready" state, which is False if any model fails to load, even during a smoke test.
    """
    with _client(settings) as client:
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
        models: names of the models to load, in order; by default the ensembles that clients call (`LIVE`).

    Raises:
        ActionableError: the server is unreachable, or a model does not load; the message has the reasons of all models.
    """
    for model in LIVE if models is None else models:
        _load_model(settings, model)


def _load_model(settings: Settings, model: str) -> None:
    try:
        _call(settings, f"load {model}", lambda client: client.load_model(model, client_timeout=LOAD_TIMEOUT_S))
    except ActionableError as error:
        reasons = "".join(f"\n  {line}" for line in _load_failures(settings))
        raise ActionableError(error.problem + reasons, error.next_step) from error


def unload(settings: Settings, model: str) -> None:
    """Makes the server unload a model; raises ActionableError if it is unreachable or never loaded the model."""
    _call(settings, f"unload {model}", lambda client: client.unload_model(model, client_timeout=LOAD_TIMEOUT_S))


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
                _remove(repository, LIVE)
            else:
                switch(repository, before)
                load(settings)
            raise


@contextmanager
def _smoke_tested(settings: Settings, version: int, users: Sequence[int] = ()) -> Iterator[None]:
    """Tests a version and keeps it loaded during the block, in ensembles that clients do not call."""
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
            with suppress(ActionableError):  # the model was never loaded, or the server is unreachable
                unload(settings, name)
        _remove(repository, names)


def _remove(repository: Path, models: Sequence[str]) -> None:
    for model in models:
        shutil.rmtree(repository / model, ignore_errors=True)


def live_bundle_id(settings: Settings) -> str:
    """Returns the id of the live bundle; raises ActionableError if none is loaded or the server is unreachable."""
    config = _call(settings, "return the live bundle", lambda client: client.get_model_config(RECOMMENDER).config)
    return str(config.parameters[BUNDLE_PARAMETER].string_value)


def answering_bundle(settings: Settings) -> str | None:
    """Returns the id of the live bundle, None if none is loaded or the server is unreachable."""
    with suppress(ActionableError):
        return live_bundle_id(settings)
    return None


def loaded_versions(settings: Settings) -> set[int]:
    """Returns the versions of which a model is loaded; raises ActionableError if the server is unreachable."""
    index = _call(settings, "list its models", lambda client: client.get_model_repository_index())
    return {int(one.version) for one in index.models if one.state == "READY" and one.name in MEMBERS}


def probe(
    settings: Settings,
    suffix: str = "",
    users: Sequence[int] = (),
    expected: str | None = None,
    *,
    busy_counts: bool = False,
) -> None:
    """Sends each topology requests for an anonymous user, which run every stage, and for some users.

    The model of the lists around a basket gets a basket without a known item, and returns an empty list.

    Args:
        settings: address of the server.
        suffix: appended to the names of the live topologies, for a version under test.
        users: raw ids of further users.
        expected: id of the bundle that must answer; any bundle by default.
        busy_counts: accept that a request is not answered in time, if the topology answered others meanwhile.

    Raises:
        ActionableError: a request fails, the list of the anonymous user is empty, or another bundle answers.
    """
    for topology in LIVE:
        name = topology + suffix
        if topology == RELATED_ITEMS:
            _require_answer(name, expected, _call(settings, "answer", partial(_relate, name=name))[1])
            continue
        # Triton uses a model's processes in turn, so this many requests reach every process.
        for user in (*[_ANONYMOUS_USER] * settings.triton_instances, *users):
            before = _answered(settings, name) if busy_counts else 0
            try:
                items, by = _call(
                    settings, "answer", partial(_recommend, name=name, shape=shape_of_one(topology), user=user)
                )
            except ServerTimeoutError:
                if busy_counts and _answered(settings, name) > before:
                    break
                raise
            _require_answer(name, expected, by)
            if user == _ANONYMOUS_USER and not items:
                raise ActionableError(f"{name} returned an empty list for an anonymous user.", _READ_LOG)


def _require_answer(name: str, expected: str | None, by: str) -> None:
    if expected not in (None, by):
        raise ActionableError(f"{name} answered from bundle {by}, not {expected}.", _READ_LOG)


def _relate(client: grpc.InferenceServerClient, name: str) -> tuple[int, str]:
    """Returns the length of the list for a basket of an unknown item, and the id of the bundle that made the list."""
    return _infer(client, name, [1], {"kind": 0, "item_ids": _UNKNOWN_ITEM})


def _answered(settings: Settings, name: str) -> int:
    """Returns the number of requests that a model has answered since the server started."""
    answer = _call(settings, "return its statistics", lambda client: client.get_inference_statistics(name))
    return sum(one.inference_stats.success.count for one in answer.model_stats)


def _recommend(client: grpc.InferenceServerClient, name: str, shape: list[int], user: int) -> tuple[int, str]:
    """Returns the length of a user's list, and the id of the bundle that made the list."""
    return _infer(client, name, shape, {"user_id": user})


def _infer(
    client: grpc.InferenceServerClient, name: str, shape: list[int], values: Mapping[str, int]
) -> tuple[int, str]:
    inputs = [grpc.InferInput(key, shape, "INT64") for key in values]
    for one in inputs:
        one.set_data_from_numpy(np.full(shape, values[one.name()], np.int64))
    answer = client.infer(name, inputs, request_id=PROBE, client_timeout=PROBE_TIMEOUT_S)
    items, bundle = answer.as_numpy("ordered_ids"), answer.as_numpy(BUNDLE_ID.name)
    if items is None or bundle is None:  # a server that aborts may end a request so
        raise InferenceServerException("an answer without a list")
    return items.size, bundle.item().decode()


def _load_failures(settings: Settings) -> list[str]:
    """Returns one line per reason of a failed load, with its model versions and without a traceback."""
    try:
        index = _call(settings, "list its models", lambda client: client.get_model_repository_index())
    except ActionableError:
        return []
    failed: dict[str, list[str]] = {}
    for model in index.models:
        if model.state == "UNAVAILABLE" and model.reason not in ("", "unloaded"):
            reason = model.reason.split(_TRACEBACK)[0].strip()
            failed.setdefault(reason, []).append(f"{model.name} version {model.version}")
    return [f"{', '.join(names)}: {reason}" for reason, names in failed.items()]


def _call(settings: Settings, action: str, call: Callable[[grpc.InferenceServerClient], T]) -> T:
    """Runs a call to the server; its errors become "Triton at … could not <action>"."""
    with _client(settings) as client:
        try:
            return call(client)
        except InferenceServerException as error:
            kind = ServerTimeoutError if error.status() == _TIMEOUT else ActionableError
            raise kind(
                f"Triton at {settings.host}:{settings.triton_grpc_port} could not {action}: "
                f"{error.message().split(_TRACEBACK)[0].strip()}",
                "Check `rec status` and Triton's log. Start a local server with `rec up`.",
            ) from error


@contextmanager
def _client(settings: Settings) -> Iterator[grpc.InferenceServerClient]:
    client = grpc.InferenceServerClient(f"{settings.host}:{settings.triton_grpc_port}")
    if key := control_key.read(settings):
        client.register_plugin(_ControlKey(key))
    try:
        yield client
    finally:
        client.close()


class _ControlKey(InferenceServerClientPlugin):
    """Adds the control key to requests, for servers that restrict model changes (deploy/helm/triton)."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Request) -> None:
        request.headers["triton-grpc-protocol-control-key"] = self._key
