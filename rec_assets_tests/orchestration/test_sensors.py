"""Decisions of the promotion sensor on a new bundle."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from rec_assets.bundles.gate_results import GATES, Gate, GateReport
from rec_assets.orchestration.sensors import BundleFacts, decide


def gate_report(failed: str = "") -> GateReport:
    gates = [Gate(name=name, passed=name != failed, message="0.1, the live bundle's is 0.2") for name in GATES]
    return GateReport(bundle_id="4f2a", gates=gates)


@pytest.mark.parametrize(
    ("change", "promote", "wait", "reason"),
    [
        ({}, True, False, "passed its gates"),
        ({"gate_report": gate_report("not_worse_than_live")}, False, False, "not_worse_than_live: 0.1, the live"),
        ({"gate_report": None}, False, False, "has no gate report"),
        ({"gate_report": None, "still_running": True}, False, True, "waits for its gates"),
        ({"live_id": "4f2a"}, False, False, "is already live"),
        ({"live_as_of": date(2025, 3, 16)}, False, False, "older than the live bundle (2025-03-16)"),
        ({"withdrawn": True}, False, False, "was rolled back"),
        ({"live_as_of": date(2025, 3, 15)}, True, False, "passed"),
        ({"live_id": None, "live_as_of": None}, True, False, "passed"),
        ({"bundle_id": None, "problem": "was replaced"}, False, False, "was replaced"),
        ({"gate_report": GateReport(bundle_id="4f2a", gates=[])}, False, False, "answers_requests: was not run"),
    ],
)
def test_a_new_bundle_is_promoted_waited_for_or_skipped_with_a_reason(
    change: dict[str, Any], promote: bool, wait: bool, reason: str
) -> None:
    day = date(2025, 3, 15)
    live_day = date(2025, 3, 14)
    facts = BundleFacts("finetuned_bundle [2025-03-15]", "4f2a", "", day, gate_report(), False, "ab12", live_day)
    decision = decide(replace(facts, **change))
    assert (decision.promote, decision.wait) == (promote, wait)
    assert decision.reason.startswith("finetuned_bundle [2025-03-15]: ")
    assert reason in decision.reason
