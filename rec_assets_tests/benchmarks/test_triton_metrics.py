"""Tests the benchmark's arithmetic with a page of Triton's metrics."""

import pytest

from benchmarks.triton_metrics import Totals, parse_metrics, stage_costs
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.spec import STAGES
from rec_assets.serving.triton.model_config import ENSEMBLE

PAGE = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="query_tower",version="1"} 12
# HELP nv_inference_count Number of inferences performed (does not include cached requests)
# TYPE nv_inference_count counter
nv_inference_count{model="query_tower",version="1"} 10
nv_inference_count{model="query_tower",version="2"} 2
nv_inference_count{model="ensemble_model",version="1"} 12
# HELP nv_inference_request_duration_us Cumulative inference request duration in microseconds
# TYPE nv_inference_request_duration_us counter
nv_inference_request_duration_us{model="query_tower",version="1"} 5000
nv_inference_request_duration_us{model="query_tower",version="2"} 1.5e+03
# HELP nv_inference_queue_duration_us Cumulative inference queuing duration in microseconds (includes cached requests)
# TYPE nv_inference_queue_duration_us counter
nv_inference_queue_duration_us{model="query_tower",version="1"} 700
# HELP nv_inference_compute_infer_duration_us Cumulative compute inference duration in microseconds
# TYPE nv_inference_compute_infer_duration_us counter
nv_inference_compute_infer_duration_us{model="query_tower",version="1"} 3000
# HELP nv_cpu_utilization CPU utilization rate [0.0 - 1.0]
# TYPE nv_cpu_utilization gauge
nv_cpu_utilization 0.5
"""
MEMBERS = [stage.name for stage in STAGES]
ALL = [*MEMBERS, ENSEMBLE]


def test_versions_of_a_model_are_added_up_and_other_metrics_are_left() -> None:
    assert parse_metrics(PAGE) == {
        "query_tower": Totals(count=12, request=6500, queue=700, compute=3000),
        ENSEMBLE: Totals(count=12),
    }


def test_an_idle_server_has_no_totals() -> None:
    assert parse_metrics("") == {}


def test_costs_are_means_of_what_happened_between_two_readings() -> None:
    before = {name: Totals(100, 1e9, 1e8, 1e7) for name in ALL if name != "query_tower"}
    after = {name: Totals(110, 1e9 + 20_000, 1e8 + 5_000, 1e7 + 10_000) for name in ALL}
    after["query_tower"] = Totals(10, 40_000, 0, 30_000)
    after[ENSEMBLE] = Totals(110, 1e9 + 400_000, 1e8, 1e7)
    costs = {cost.model: cost for cost in stage_costs(before, after, MEMBERS, ENSEMBLE)}
    assert list(costs) == ALL
    tower, other = costs["query_tower"], costs["dlrm_ranking"]
    assert (tower.request_ms, tower.queue_ms, tower.compute_ms, tower.share) == pytest.approx((4, 0, 3, 0.1))
    assert (other.request_ms, other.queue_ms, other.compute_ms, other.share) == pytest.approx((2, 0.5, 1, 0.05))
    assert costs[ENSEMBLE].share == 1


def test_a_stage_that_was_never_asked_is_named() -> None:
    readings = {name: Totals(1, 1, 1, 1) for name in ALL}
    with pytest.raises(ActionableError, match=STAGES[0].name):
        stage_costs(readings, readings, MEMBERS, ENSEMBLE)
