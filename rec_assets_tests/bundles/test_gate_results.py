"""Reasons of a gate report: figures, and the next step of each failed gate."""

import pytest

from rec_assets.bundles.gate_results import GATES, NEXT_STEPS, Gate, GateReport


@pytest.mark.parametrize("failed", GATES)
def test_a_failed_gate_names_its_figures_and_the_next_step(failed: str) -> None:
    gates = [Gate(name=name, passed=name != failed, message="NDCG@10 0.0100, popularity's is 0.0200") for name in GATES]
    report = GateReport(bundle_id="b", gates=gates)
    assert report.reasons == [f"{failed}: NDCG@10 0.0100, popularity's is 0.0200. {NEXT_STEPS[failed]}."]
    assert not report.passed


def test_a_report_without_failures_has_no_reasons() -> None:
    report = GateReport(bundle_id="b", gates=[Gate(name=name, passed=True, message="fine") for name in GATES])
    assert report.passed and not report.reasons
    assert all(gate.explanation == "fine" for gate in report.gates)
