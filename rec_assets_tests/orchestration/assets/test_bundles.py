import shutil
from pathlib import Path

import pytest

from rec_assets.bundles.export_report import FILE as EXPORT
from rec_assets.bundles.provenance import FILE as LINEAGE
from rec_assets.orchestration.assets.delivery.bundles import model_files, pick
from rec_assets.storage.artifacts.store import ArtifactStore


@pytest.mark.parametrize("saved_model", [(), ("model.savedmodel/saved_model.pb",)])
def test_a_part_has_all_exports_of_its_model_and_no_checkpoint(saved_model: tuple[str, ...], tmp_path: Path) -> None:
    exports = ("model.onnx", EXPORT, LINEAGE, *saved_model)
    with ArtifactStore(tmp_path / "artifacts").publish("dlrm_model") as draft:
        for name in (*exports, "weights.npz"):
            (draft.path / name).parent.mkdir(exist_ok=True)
            (draft.path / name).write_text(name)
    part = pick(draft.published, model_files(draft.published), tmp_path / "dlrm")
    copied = Path(shutil.copytree(part, tmp_path / "bundle"))
    assert {file.relative_to(copied).as_posix() for file in copied.rglob("*") if file.is_file()} == set(exports)
