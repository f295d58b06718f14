"""Models of the reference design in the running Triton: two ensembles beside the live ones, on the live version."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.reference.saved_models import RANKER, SUFFIX, TOWER
from benchmarks.reference.stages import CachedItems, FeastItems, TensorFlowModel, UserWorkflow, Workflow
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.spec import STAGES, StageSpec
from rec_assets.serving.stages import Stage
from rec_assets.serving.triton import model_config, model_repository
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.stage_model import BUNDLE_FILE, StageModel, published_bundle
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.stores import open_store

PER_REQUEST = "reference_per_request"
CACHED = "reference_cached"
_PARTS = "reference.json"
_ITEMS = "feast_item_lookup"
_TRANSFORMS = ("nvt_context_transform", "nvt_user_transform", "nvt_item_transform")
_REPLACED = (*_TRANSFORMS, TOWER, RANKER)
_MODEL = """import sys

sys.path.insert(0, {root!r})
from benchmarks.reference.models import ReferenceModel


class TritonPythonModel(ReferenceModel):
    stage = {stage!r}
"""


def name_of(stage: str, topology: str) -> str:
    """Returns the name of the model for a stage in one of the two ensembles."""
    if stage == _ITEMS:
        return f"{topology}_{stage}"
    return f"reference_{stage}" if stage in _REPLACED else stage


def steps(topology: str) -> tuple[StageSpec, ...]:
    """Returns the graph with the models of the reference design."""
    return tuple(
        replace(
            spec,
            name=name_of(spec.name, topology),
            # NVTabular needs every column that its workflow was fitted on.
            reads=("user_id", *spec.reads) if spec.name == "nvt_user_transform" else spec.reads,
        )
        for spec in STAGES
    )


class ReferenceModel(StageModel):
    """A model of the reference design; `stage` is its name in Triton."""

    def open_stage(self, version: Path, settings: Settings) -> Stage:
        """Opens the stage with the folders in `reference.json` beside the model."""
        parts = {name: Path(folder) for name, folder in json.loads((version / _PARTS).read_text()).items()}
        bundle, stage = published_bundle(version, settings), self.stage.removeprefix("reference_")
        if stage == name_of(_ITEMS, PER_REQUEST).removeprefix("reference_"):
            return FeastItems(settings)
        if stage == name_of(_ITEMS, CACHED).removeprefix("reference_"):
            return CachedItems(bundle, settings)
        if stage == "nvt_user_transform":
            return UserWorkflow(parts["workflows"], bundle)
        if stage in _TRANSFORMS:
            return Workflow(parts["workflows"], stage)
        output = {TOWER: "query_embedding", RANKER: "score"}[stage]
        return TensorFlowModel(parts["saved_models"] / f"{stage}{SUFFIX}", output)


@contextmanager
def reference_models(settings: Settings) -> Iterator[None]:
    """Loads both ensembles into the running server, and removes them when the block ends.

    Raises:
        ActionableError: no bundle is live, its checkpoints are missing, or a model does not load.
    """
    folder = model_repository.repository_path(settings)
    version = model_repository.live_version(folder)
    if version is None:
        raise ActionableError("No bundle is live.", "Train and promote a first bundle with `make demo`.")
    specs = {spec.name: spec for topology in (PER_REQUEST, CACHED) for spec in steps(topology)}
    added = [spec for name, spec in specs.items() if name not in model_repository.MEMBERS]
    names = [*(spec.name for spec in added), PER_REQUEST, CACHED]
    with TemporaryDirectory() as scratch:
        parts = {"saved_models": scratch, "workflows": str(_workflows(settings))}
        _write_saved_models(scratch)
        try:
            for spec in added:
                _write(folder / spec.name, version, spec, parts, folder / model_repository.MEMBERS[0] / str(version))
            for topology in (PER_REQUEST, CACHED):
                (folder / topology / "1").mkdir(parents=True, exist_ok=True)
                text = model_config.ensemble_config(topology, version, steps(topology))
                (folder / topology / "config.pbtxt").write_text(text)
            for name in names:
                server_control.load(settings, [name])
            yield
        finally:
            for name in reversed(names):
                with suppress(ActionableError):
                    server_control.unload(settings, name)
                shutil.rmtree(folder / name, ignore_errors=True)


def _workflows(settings: Settings) -> Path:
    return open_store(settings).get("nvt_workflows", settings.as_of.isoformat()).path


def _write(model: Path, version: int, spec: StageSpec, parts: dict[str, str], pointer: Path) -> None:
    target = model / str(version)
    target.mkdir(parents=True, exist_ok=True)
    (model / "config.pbtxt").write_text(model_config.member_config(spec, Settings.model_construct()))
    (target / "model.py").write_text(_MODEL.format(root=str(Path.cwd()), stage=spec.name))
    (target / _PARTS).write_text(json.dumps(parts))
    shutil.copy(pointer / BUNDLE_FILE, target / BUNDLE_FILE)


def _write_saved_models(folder: str) -> None:
    command = [sys.executable, "-m", "benchmarks.reference.saved_models", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1]
        raise ActionableError(f"The trained models cannot be restored: {reason}", "Run `make demo` again.")
