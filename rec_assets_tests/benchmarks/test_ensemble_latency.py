"""The benchmark's arithmetic, on a page of metrics as Triton writes it."""

import io

import numpy as np
import pytest
from rich.console import Console
from typer import Typer
from typer.testing import CliRunner

from benchmarks.ensemble_latency import Run, Totals, draw_requests, main, measure, parse_metrics, show, stage_costs
from rec_assets.errors import ActionableError
from rec_assets.serving.graph import STAGES
from rec_assets.serving.model_config import ENSEMBLE
from rec_assets.settings import Settings, get_settings

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
ALL = [*(stage.name for stage in STAGES), ENSEMBLE]


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
    costs = {cost.model: cost for cost in stage_costs(before, after)}
    assert list(costs) == ALL
    tower, other = costs["query_tower"], costs["dlrm_ranking"]
    assert (tower.request_ms, tower.queue_ms, tower.compute_ms, tower.share) == pytest.approx((4, 0, 3, 0.1))
    assert (other.request_ms, other.queue_ms, other.compute_ms, other.share) == pytest.approx((2, 0.5, 1, 0.05))
    assert costs[ENSEMBLE].share == 1


def test_a_stage_that_was_never_asked_is_named() -> None:
    readings = {name: Totals(1, 1, 1, 1) for name in ALL}
    with pytest.raises(ActionableError, match=STAGES[0].name):
        stage_costs(readings, readings)


def test_requests_are_of_known_users_within_the_history_and_equal_for_equal_seeds() -> None:
    settings = Settings()
    first, again = (draw_requests(np.array([7, 9]), 500, settings, seed=3) for _ in range(2))
    assert set(first["user_id"]) == {7, 9} and set(first["device_type"]) == {-1, 0, 1, 2}
    assert 0 < first["timestamp"].max() - first["timestamp"].min() <= settings.days * 86_400
    for name in first:
        assert first[name].dtype == np.int32
        np.testing.assert_array_equal(first[name], again[name])


def test_every_stage_is_printed() -> None:
    costs = stage_costs({}, {name: Totals(2, 2e3, 1e3, 1e3) for name in ALL})
    output = io.StringIO()
    show(Console(file=output, width=120), [Run(4, 2, 100.0, 10.0, 20.0, 30.0, costs)])
    assert all(name in output.getvalue() for name in ALL) and "cores" in output.getvalue()


def test_without_a_trained_system_it_says_what_to_do(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REC_HOME", str(tmp_path))
    get_settings.cache_clear()
    app = Typer()
    app.command()(main)
    result = CliRunner().invoke(app, ["--requests", "10"])
    get_settings.cache_clear()
    assert result.exit_code == 1 and "raw_users" in result.output


@pytest.mark.slow
def test_the_real_server_is_measured_stage_by_stage(shop: Settings) -> None:
    requests = draw_requests(np.arange(1, 21, dtype=np.int32), 21, shop, seed=0)
    run = measure(shop, requests, concurrency=2)
    assert (run.requests, run.concurrency) == (21, 2)
    assert 0 < run.p50_ms <= run.p95_ms <= run.p99_ms
    assert [cost.model for cost in run.stages] == ALL
    assert all(0 < cost.compute_ms <= cost.request_ms for cost in run.stages[:-1])
