"""Bundles of some days in an artifact store."""

import shutil
from datetime import timedelta

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.gate_results import GATES, Gate, save_gate_report
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets_tests.serving.synthetic import AS_OF, make_bundle


def add(store: ArtifactStore, number: int, items: int = 50, failed: str = "", evaluated: bool = True) -> Bundle:
    """Publishes a bundle of day `number`; with `items` other than 50, a full training with another vocabulary."""
    day = AS_OF + timedelta(days=number)
    with store.publish("model_bundle" if items != 50 else "finetuned_bundle", day.isoformat()) as draft:
        shutil.rmtree(draft.path)
        made = make_bundle(draft.path, seed=number, items=items, as_of=day)
    if evaluated:
        gates = [
            Gate(name=name, passed=name != failed, message="0.1 is below 0.2" if name == failed else "fine")
            for name in GATES
        ]
        save_gate_report(store, made.bundle_id, gates)
    return Bundle.open(store.get("model_bundle" if items != 50 else "finetuned_bundle", day.isoformat()).path)


def damage(bundle: Bundle) -> None:
    """Appends a byte to a model."""
    with (bundle.path / "dlrm" / "model.onnx").open("ab") as file:
        file.write(b"\0")
