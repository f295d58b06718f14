"""Triton's model repository on disk. A bundle is one version of all models, and ensembles pin the live version.

Does not contact a running server; see `rec_assets.serving.triton.control.server`.
"""

import json
import py_compile
import shutil
from collections.abc import Collection
from pathlib import Path

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.signature import require_signed
from rec_assets.common.errors import ActionableError
from rec_assets.common.files import write_atomically
from rec_assets.serving.graph.spec import StageSpec
from rec_assets.serving.triton import model_config
from rec_assets.serving.triton.model_config import VERSION_PARAMETER, ensembles
from rec_assets.serving.triton.native_backends import narrowed, native_models
from rec_assets.serving.triton.stage_model import BUNDLE_FILE
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.versions import link, link_tree

MEMBERS = tuple(spec.name for spec in model_config.MEMBERS)
COMMITTED = Path("triton_model_repository")
_STAGING = ".staging"
_BUNDLES = ".bundles"
_NEWEST = ".newest_version"


def repository_path(settings: Settings) -> Path:
    """Returns the path of the local Triton's model repository."""
    return settings.home.absolute() / "triton" / "models"


def publish(
    bundle: Bundle,
    repository: Path,
    version: int | None = None,
    *,
    settings: Settings | None = None,
) -> int:
    """Adds a bundle as a new version of every model; returns the version. The live version stays live.

    To make the new version live, call `control.server.go_live` for a running server, or `switch` before its first
    start.

    Args:
        bundle: the bundle. Its files are linked into the repository (copied to another disk), so its artifact may be
            deleted.
        repository: Triton's model repository; created if it does not exist.
        version: version number, from 1. By default one more than the highest number ever used, because a server may
            still run a version whose folder was deleted.
        settings: gives the values of `model_config.KNOBS` and the backend of the two ONNX models; by default the
            settings of the process.

    Raises:
        ActionableError: the version exists already, the bundle is damaged or not signed, or it has no models for the
            backend.
    """
    settings = settings or get_settings()
    version = version or max([_newest_ever(repository), *versions(repository, complete=False)]) + 1
    if version in versions(repository, complete=False):
        raise ActionableError(f"Version {version} is already in {repository}.", "Publish without naming a version.")
    require_signed(bundle, settings.bundle_key)
    natives = native_models(bundle, settings.triton_backend)
    _keep(bundle, repository, settings.bundle_key)
    _replace(repository / _NEWEST, str(max(version, _newest_ever(repository))))
    # Relative to the version's folder, so the repository can be mounted elsewhere.
    pointer = json.dumps({"path": f"../../{_BUNDLES}/{bundle.bundle_id}", "bundle_id": bundle.bundle_id}, indent=1)
    for spec in model_config.MEMBERS:
        model, native = repository / spec.name, natives.get(spec.name)
        # The config first, and the draft in another folder: a server never reads an incomplete version.
        _replace(model / "config.pbtxt", model_config.member_config(spec, settings, bundle if native else None))
        with write_atomically(model / str(version), repository / _STAGING) as draft:
            draft.mkdir()
            (draft / BUNDLE_FILE).write_text(pointer)
            if native is not None:
                (link_tree if native.is_dir() else link)(native, draft / native.name)
            else:
                _write_model(draft, spec)
    shutil.rmtree(repository / _STAGING)
    return version


def published(bundle: Bundle, repository: Path, settings: Settings) -> int:
    """Returns the version of a bundle, and publishes the bundle if it has none; raises ActionableError as `publish`."""
    return version_of(repository, bundle.bundle_id) or publish(bundle, repository, settings=settings)


def switch(repository: Path, version: int, suffix: str = "") -> None:
    """Pins every model that clients call to one version of its members. Each is one file, so it switches as a whole.

    Writes the file that `live_version` reads last. If the process is killed before that, call `switch` again.

    Args:
        repository: Triton's model repository.
        version: one of `versions(repository)`.
        suffix: appended to the names of the live topologies, for a smoke test beside them.

    Raises:
        ActionableError: the version does not exist.
    """
    if version not in versions(repository):
        known = ", ".join(map(str, versions(repository))) or "none"
        raise ActionableError(f"{repository} has no version {version} (it has {known}).", "Publish a bundle first.")
    for topology, steps in ensembles().items():
        name = topology + suffix
        (repository / name / "1").mkdir(parents=True, exist_ok=True)
        published = [_as_published(repository, spec) for spec in steps]
        text = model_config.ensemble_config(name, version, published, bundle_id(repository, version))
        _replace(repository / name / "config.pbtxt", text)


def renew_models(repository: Path, settings: Settings) -> None:
    """Rewrites `model.py` and the configuration of every Python model. Call before a server start.

    Imports of an older release may be gone, and the types of inputs may have changed.
    """
    for spec in model_config.MEMBERS:
        models = list((repository / spec.name).glob("*/model.py"))
        for file in models:
            _write_model(file.parent, spec)
        if models:
            _replace(repository / spec.name / "config.pbtxt", model_config.member_config(spec, settings))
    live = live_version(repository)
    if live in versions(repository):
        switch(repository, live)


def versions(repository: Path, *, complete: bool = True) -> list[int]:
    """Returns the versions that all models have (with `complete=False`, that any model has), ascending."""
    by_member = [
        {int(folder.name) for folder in (repository / member).glob("[0-9]*") if folder.name.isdigit()}
        for member in MEMBERS
    ]
    return sorted(set.intersection(*by_member) if complete else set.union(*by_member))


def live_version(repository: Path) -> int | None:
    """Returns the version that is live on disk, or None if this release has not published one."""
    configs = [repository / name / "config.pbtxt" for name in ensembles()]
    if not all(config.exists() for config in configs):
        return None
    return int(model_config.parameters_of(configs[-1].read_text())[VERSION_PARAMETER])


def configured_processes(repository: Path) -> dict[str, int]:
    """Returns the number of processes that each Python model of the live version has in a healthy server."""
    version, names = str(live_version(repository)), {spec.name for steps in ensembles().values() for spec in steps}
    return {
        name: model_config.processes_of((repository / name / "config.pbtxt").read_text())
        for name in sorted(names)
        if (repository / name / version / "model.py").exists()
    }


def bundle_path(repository: Path, version: int) -> Path:
    """Returns the directory of a version's bundle in the repository."""
    return repository / _BUNDLES / bundle_id(repository, version)


def bundle_id(repository: Path, version: int) -> str:
    """Returns the id of a version's bundle. Only some models of the version need to exist."""
    pointers = (repository / member / str(version) / BUNDLE_FILE for member in MEMBERS)
    pointer = next(file for file in pointers if file.exists())
    return str(json.loads(pointer.read_text())["bundle_id"])


def version_of(repository: Path, name: str) -> int | None:
    """Returns the newest complete version of the bundle with the id `name`, or None without one."""
    return next((v for v in reversed(versions(repository)) if bundle_id(repository, v) == name), None)


def prune(repository: Path, keep: Collection[str]) -> list[int]:
    """Removes all versions except the live one and the newest of each bundle in `keep`; returns the removed versions.

    Also removes incomplete versions and bundles of killed runs. A running server unloads removed versions at the next
    load.
    """
    kept = {live_version(repository), *(version_of(repository, name) for name in keep)}
    removed = [version for version in versions(repository, complete=False) if version not in kept]
    for version in removed:
        remove(repository, version)
    used = {bundle_id(repository, version) for version in versions(repository)}
    for folder in (repository / _BUNDLES).glob("*"):
        if folder.name not in used:
            shutil.rmtree(folder, ignore_errors=True)
    return removed


def remove(repository: Path, version: int) -> None:
    """Removes one version, such as one that does not load: each start of the server would retry the load.

    Raises:
        ActionableError: the version is live.
    """
    if version == live_version(repository):
        raise ActionableError(f"Version {version} of {repository} is live.", "Switch to another version first.")
    name = bundle_id(repository, version)
    for member in MEMBERS:
        shutil.rmtree(repository / member / str(version), ignore_errors=True)
    if all(name != bundle_id(repository, other) for other in versions(repository)):
        shutil.rmtree(repository / _BUNDLES / name, ignore_errors=True)


def write_committed(folder: Path = COMMITTED) -> None:
    """Writes the repository that is committed to git: all models at version 1, without a bundle."""
    for name, text in model_config.render(Settings.model_construct()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _newest_ever(repository: Path) -> int:
    return int((repository / _NEWEST).read_text()) if (repository / _NEWEST).exists() else 0


def _as_published(repository: Path, spec: StageSpec) -> StageSpec:
    """Returns a stage with only the inputs that its published model declares; ONNX models declare no unused inputs."""
    return narrowed(spec, model_config.inputs_of_config((repository / spec.name / "config.pbtxt").read_text()))


def _write_model(version: Path, spec: StageSpec) -> None:
    file = version / "model.py"
    _replace(file, model_config.model_source(spec))
    # Compiled now, because Triton would treat a cache file of the first load as a change and reload the model.
    py_compile.compile(str(file), doraise=True)


def _keep(bundle: Bundle, repository: Path, key: str) -> None:
    """Verifies a bundle and links its files into the repository; replaces a copy that is damaged or not signed."""
    bundle = Bundle.open(bundle.path, verify=True)
    kept = repository / _BUNDLES / bundle.bundle_id
    if kept.exists():
        try:
            require_signed(Bundle.open(kept, verify=True), key)
            return
        except ActionableError:
            shutil.rmtree(kept)
    with write_atomically(kept, repository / _STAGING) as draft:
        link_tree(bundle.path, draft)


def _replace(file: Path, text: str) -> None:
    """Writes a file atomically; skips an equal file, because Triton reloads models of files with a new time."""
    if file.exists() and file.read_text() == text:
        return
    with write_atomically(file) as draft:
        draft.write_text(text)


if __name__ == "__main__":
    write_committed()
