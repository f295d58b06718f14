"""The gates of a bundle, and the record of their results."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from rec_assets.storage.artifact_store import ArtifactStore

# Every bundle is judged by all of these; what each asks is said in `rec_assets.evaluation.bundles.gates`.
GATES = (
    "parts_belong_together",
    "workflow_equals_nvtabular",
    "onnx_equals_checkpoint",
    "index_finds_what_is_nearest",
    "answers_requests",
    "better_than_popularity",
    "not_worse_than_live",
)
VERDICTS = "bundle_verdicts"
_FILE = "verdict.json"


class Gate(BaseModel):
    """One question: whether it was passed, the answer as a sentence, and the figures and thresholds behind it."""

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    told: str
    figures: dict[str, float | str] = {}


class Verdict(BaseModel):
    """All gates of one bundle."""

    model_config = ConfigDict(frozen=True)

    bundle_id: str
    gates: list[Gate]

    @property
    def passed(self) -> bool:
        """True where every gate was tried and passed: the bundle may go live."""
        return {gate.name for gate in self.gates if gate.passed} >= set(GATES)

    @property
    def reasons(self) -> list[str]:
        """The reasons against a promotion."""
        missing = set(GATES) - {gate.name for gate in self.gates}
        failed = [f"{gate.name}: {gate.told}" for gate in self.gates if not gate.passed]
        return [*failed, *(f"{name}: was not tried" for name in sorted(missing))]


def save_verdict(store: ArtifactStore, bundle_id: str, gates: Iterable[Gate]) -> Verdict:
    """Records a verdict under the bundle's id, in place of an earlier one."""
    verdict = Verdict(bundle_id=bundle_id, gates=list(gates))
    with store.publish(VERDICTS, bundle_id) as draft:
        (draft.path / _FILE).write_text(verdict.model_dump_json(indent=1))
    return verdict


def find_verdict(store: ArtifactStore, bundle_id: str) -> Verdict | None:
    """Returns the verdict on a bundle, None where it was never judged."""
    artifact = store.find(VERDICTS, bundle_id)
    return None if artifact is None else Verdict.model_validate_json((artifact / _FILE).read_text())
