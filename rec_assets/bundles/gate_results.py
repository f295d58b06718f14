"""Names of the gates of a bundle, and the stored gate report. Does not run gates."""

from collections.abc import Iterable

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

from rec_assets.storage.artifacts.store import ArtifactStore

# Every bundle must pass all gates; `rec_assets.evaluation.bundles.gates` implements them.
GATES = (
    "parts_belong_together",
    "lookups_match_nvtabular",
    "onnx_equals_checkpoint",
    "index_recall",
    "answers_requests",
    "better_than_popularity",
    "not_worse_than_live",
)
# What to do if a gate fails. Every gate has an entry.
NEXT_STEPS = {
    "parts_belong_together": "Materialize the assets of the bundle again for one day",
    "lookups_match_nvtabular": "Materialize nvt_workflows and the training again",
    "onnx_equals_checkpoint": "Materialize query_tower and dlrm_model again",
    "index_recall": "Materialize the item index of this day again",
    "answers_requests": "Run `rec check`: the catalog must have available items",
    "better_than_popularity": "Train on more days or users (REC_DAYS, REC_TRAIN_DAYS; or `[days]` of shop.toml), "
    "and check the columns of users and items with `rec check`. Until then `rec trending` shows the popular items",
    "not_worse_than_live": "Keep the live bundle. Promote a later day, or run full_training",
}
GATE_REPORTS = "bundle_gate_reports"
_FILE = "gate_report.json"
# Names in stored reports of release 0.1; supported until the next release.
_OLD_REPORTS, _OLD_FILE = "bundle_verdicts", "verdict.json"
_OLD_NAMES = {"workflow_equals_nvtabular": "lookups_match_nvtabular", "index_finds_what_is_nearest": "index_recall"}


class Gate(BaseModel):
    """The result of one gate: passed or not, a message, and the figures and thresholds behind it."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    name: str
    passed: bool
    message: str = Field(validation_alias=AliasChoices("message", "told"))
    figures: dict[str, float | str] = {}

    @property
    def explanation(self) -> str:
        """Returns the message, with the next step if the gate failed."""
        step = "" if self.passed else NEXT_STEPS.get(self.name, "")
        return f"{self.message}. {step}." if step else self.message

    @field_validator("name")
    @classmethod
    def _of_today(cls, name: str) -> str:
        return _OLD_NAMES.get(name, name)


class GateReport(BaseModel):
    """The results of all gates of one bundle."""

    model_config = ConfigDict(frozen=True)

    bundle_id: str
    gates: list[Gate]

    @property
    def passed(self) -> bool:
        """True if every gate ran and passed, so the bundle can be promoted."""
        return {gate.name for gate in self.gates if gate.passed} >= set(GATES)

    @property
    def reasons(self) -> list[str]:
        """Returns the reasons against a promotion."""
        missing = set(GATES) - {gate.name for gate in self.gates}
        failed = [f"{gate.name}: {gate.explanation}" for gate in self.gates if not gate.passed]
        return [*failed, *(f"{name}: was not run" for name in sorted(missing))]


def save_gate_report(store: ArtifactStore, bundle_id: str, gates: Iterable[Gate]) -> GateReport:
    """Stores the gate report of a bundle and replaces an earlier report."""
    report = GateReport(bundle_id=bundle_id, gates=list(gates))
    with store.publish(GATE_REPORTS, bundle_id) as draft:
        (draft.path / _FILE).write_text(report.model_dump_json(indent=1))
    return report


def find_gate_report(store: ArtifactStore, bundle_id: str) -> GateReport | None:
    """Returns the gate report of a bundle, None before its gates have run."""
    for asset, file in ((GATE_REPORTS, _FILE), (_OLD_REPORTS, _OLD_FILE)):
        if (artifact := store.find(asset, bundle_id)) is not None:
            return GateReport.model_validate_json((artifact / file).read_text())
    return None
