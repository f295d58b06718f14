"""Triton's model repository on disk: bundles become versions of all models, and one file says which version is live.

What the running server does about it is in `rec_assets.serving.triton.server_control`.
"""

import json
import py_compile
import shutil
from collections.abc import Collection
from pathlib import Path

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.spec import StageSpec
from rec_assets.serving.triton import model_config
from rec_assets.serving.triton.model_config import TOPOLOGIES, VERSION_PARAMETER
from rec_assets.serving.triton.native_backends import narrowed, native_models
from rec_assets.serving.triton.stage_model import BUNDLE_FILE
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifact_store import link, link_tree

MEMBERS = tuple(spec.name for spec in model_config.MEMBERS)
COMMITTED = Path("triton_model_repository")
_STAGING = ".staging"
_BUNDLES = ".bundles"
_NEWEST = ".newest_version"


def repository_path(settings: Settings) -> Path:
    """Returns where the local Triton reads its models."""
    return settings.home.absolute() / "triton" / "models"


def publish(
    bundle: Bundle,
    repository: Path,
    version: int | None = None,
    *,
    settings: Settings | None = None,
) -> int:
    """Adds a bundle as a new version of every model, beside the live one, which stays live; returns the version.

    `control.go_live` makes it the live one on a running server; before the first start, `switch` does.

    Args:
        bundle: linked into the repository (copied to another disk), so that its artifact may go.
        repository: Triton's model repository, made if it does not exist.
        version: its number, from 1; by default the one after the newest that ever was: a server may still hold an old
            one whose folder is gone.
        settings: gives the deployment knobs of `model_config.KNOBS` and the backend of the two ONNX models; by default
            the process's settings.

    Raises:
        ActionableError: the version exists already, or the bundle has nothing for that backend.
    """
    settings = settings or get_settings()
    version = version or max([_newest_ever(repository), *versions(repository, complete=False)]) + 1
    if version in versions(repository, complete=False):
        raise ActionableError(f"Version {version} is already in {repository}.", "Publish without naming a version.")
    natives = native_models(bundle, settings.triton_backend)
    _keep(bundle, repository)
    _replace(repository / _NEWEST, str(max(version, _newest_ever(repository))))
    # Relative to the version's folder: the repository can be mounted elsewhere.
    pointer = json.dumps({"path": f"../../{_BUNDLES}/{bundle.bundle_id}", "bundle_id": bundle.bundle_id}, indent=1)
    for spec in model_config.MEMBERS:
        # Staged beside the models and renamed in: a server that looks meanwhile never sees half a version.
        staged = repository / _STAGING / spec.name
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        (staged / BUNDLE_FILE).write_text(pointer)
        native = natives.get(spec.name)
        if native is not None:
            (link_tree if native.is_dir() else link)(native, staged / native.name)
        else:
            _write_model(staged, spec)
        model = repository / spec.name
        model.mkdir(exist_ok=True)
        config = model_config.member_config(spec, settings, bundle if native else None)
        _replace(model / "config.pbtxt", config)
        staged.rename(model / str(version))
    shutil.rmtree(repository / _STAGING)
    return version


def switch(repository: Path, version: int, suffix: str = "") -> None:
    """Points both topologies at one version of their members: a file each, so that either switches as a whole.

    What `live_version` reads is written last: killed in between, this is to be done again.

    Args:
        repository: Triton's model repository.
        version: one of `versions(repository)`.
        suffix: to the names of the live ones, for a rehearsal beside them.

    Raises:
        ActionableError: the version is not there.
    """
    if version not in versions(repository):
        known = ", ".join(map(str, versions(repository))) or "none"
        raise ActionableError(f"{repository} has no version {version} (there are: {known}).", "Publish a bundle first.")
    for topology, steps in TOPOLOGIES.items():
        name = topology + suffix
        (repository / name / "1").mkdir(parents=True, exist_ok=True)
        published = [_as_published(repository, spec) for spec in steps]
        text = model_config.ensemble_config(name, version, published, bundle_id(repository, version))
        _replace(repository / name / "config.pbtxt", text)


def renew_models(repository: Path) -> None:
    """Rewrites every `model.py` that another release wrote, whose imports may no longer exist; call before a start."""
    for spec in model_config.MEMBERS:
        for file in (repository / spec.name).glob("*/model.py"):
            _write_model(file.parent, spec)


def versions(repository: Path, *, complete: bool = True) -> list[int]:
    """Returns the versions that all models have, or with `complete=False` that any has, in ascending order."""
    found = [
        {int(folder.name) for folder in (repository / member).glob("[0-9]*") if folder.name.isdigit()}
        for member in MEMBERS
    ]
    return sorted(set.intersection(*found) if complete else set.union(*found))


def live_version(repository: Path) -> int | None:
    """Returns the version that is live on disk, None if nothing was published, or by an older release."""
    configs = [repository / name / "config.pbtxt" for name in TOPOLOGIES]
    if not all(config.exists() for config in configs):
        return None
    return int(model_config.parameters_of(configs[-1].read_text())[VERSION_PARAMETER])


def bundle_path(repository: Path, version: int) -> Path:
    """Returns the directory, within the repository, of the bundle behind a version."""
    return repository / _BUNDLES / bundle_id(repository, version)


def bundle_id(repository: Path, version: int) -> str:
    """Returns the id of the bundle behind a version, of which only some models may be left."""
    pointers = (repository / member / str(version) / BUNDLE_FILE for member in MEMBERS)
    pointer = next(file for file in pointers if file.exists())
    return str(json.loads(pointer.read_text())["bundle_id"])


def version_of(repository: Path, name: str) -> int | None:
    """Returns the newest whole version of the bundle with this id, None where there is none."""
    return next((v for v in reversed(versions(repository)) if bundle_id(repository, v) == name), None)


def prune(repository: Path, keep: Collection[str]) -> list[int]:
    """Removes all versions but the newest of each of these bundles and the live one; returns what was removed.

    Versions and bundles that a killed run left half written go too. A running server drops removed versions at the
    next load.
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
    """Removes one version, such as one that did not load: every start would try it again.

    Raises:
        ActionableError: it is the live one.
    """
    if version == live_version(repository):
        raise ActionableError(f"Version {version} of {repository} is live.", "Switch to another version first.")
    name = bundle_id(repository, version)
    for member in MEMBERS:
        shutil.rmtree(repository / member / str(version), ignore_errors=True)
    if all(name != bundle_id(repository, other) for other in versions(repository)):
        shutil.rmtree(repository / _BUNDLES / name, ignore_errors=True)


def write_committed(folder: Path = COMMITTED) -> None:
    """Writes the repository as it is committed: all models at version 1, without a bundle."""
    for name, text in model_config.render(Settings.model_construct()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _newest_ever(repository: Path) -> int:
    return int((repository / _NEWEST).read_text()) if (repository / _NEWEST).exists() else 0


def _as_published(repository: Path, spec: StageSpec) -> StageSpec:
    """Returns a stage with the inputs that its model takes: in the ONNX Runtime backend none that it does not use."""
    return narrowed(spec, model_config.inputs_of_config((repository / spec.name / "config.pbtxt").read_text()))


def _write_model(version: Path, spec: StageSpec) -> None:
    file = version / "model.py"
    _replace(file, model_config.model_source(spec))
    # Compiled now: Triton would take the cache that the first load writes for a change, and load it all again.
    py_compile.compile(str(file), doraise=True)


def _keep(bundle: Bundle, repository: Path) -> None:
    kept = repository / _BUNDLES / bundle.bundle_id
    if kept.exists():
        return
    partial = kept.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    link_tree(bundle.path, partial)
    partial.rename(kept)


def _replace(file: Path, text: str) -> None:
    """Writes a file at once, and leaves an equal one alone: Triton reloads what has a new time."""
    if file.exists() and file.read_text() == text:
        return
    partial = file.with_suffix(".part")
    partial.write_text(text)
    partial.replace(file)


if __name__ == "__main__":
    write_committed()
