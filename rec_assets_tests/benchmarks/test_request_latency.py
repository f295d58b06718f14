"""Tests the benchmark of serving designs, and its measurements with the real server."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer import Typer
from typer.testing import CliRunner

from benchmarks.processes import SERVER, usage
from benchmarks.reference.models import CACHED, PER_REQUEST
from benchmarks.request_latency import MEMBERS, main, measure, same_lists, show
from benchmarks.traffic import draw_requests
from rec_assets.serving.graph.spec import STAGES
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER
from rec_assets.settings import Settings
from rec_assets_tests.pipeline import settings_from


def test_requests_are_of_known_users_within_the_history_and_equal_for_equal_seeds() -> None:
    settings = Settings()
    first, again = (draw_requests(np.array([7, 9]), 500, settings, seed=3) for _ in range(2))
    assert set(first["user_id"]) == {7, 9} and set(first["device_type"]) == {-1, 0, 1, 2}
    assert 0 < first["timestamp"].max() - first["timestamp"].min() <= settings.days * 86_400
    assert set(first.pop("filters")) == {""}
    for name in first:
        assert first[name].dtype == np.int32
        np.testing.assert_array_equal(first[name], again[name])


def test_lists_are_the_same_where_scores_are_place_by_place() -> None:
    lists = [([1, 2], [0.5, 0.4]), ([3], [0.2])]
    assert same_lists(lists, [([2, 1], [0.5, 0.4]), ([3], [0.2])]) == 1
    assert same_lists(lists, [([1, 2], [0.5, 0.3]), ([3], [0.2])]) == 0.5
    assert same_lists(lists, [([1], [0.5]), ([3, 4], [0.2, 0.1])]) == 0


def test_the_reference_differs_in_the_stages_that_it_does_by_other_means() -> None:
    own = [spec.name for spec in STAGES]
    different = {name for name in MEMBERS[PER_REQUEST] if name not in own}
    assert len(different) == 6
    assert [a == b for a, b in zip(MEMBERS[PER_REQUEST], MEMBERS[CACHED], strict=True)].count(False) == 1
    assert len(MEMBERS[PER_REQUEST]) == len(own)


def test_without_a_trained_system_it_says_what_to_do(tmp_path: Path) -> None:
    app = Typer()
    app.command()(main)
    with settings_from({"REC_HOME": str(tmp_path)}):
        result = CliRunner().invoke(app, ["--requests", "10"])
    assert result.exit_code == 1 and "raw_users" in result.output


@pytest.mark.slow
def test_both_designs_are_measured_on_the_real_server_and_printed(shop: Settings) -> None:
    requests = draw_requests(np.arange(1, 21, dtype=np.int32), 21, shop, seed=0)
    (staged, lists), (whole, others) = (measure(shop, model, requests, 2) for model in (ENSEMBLE, RECOMMENDER))
    for run in (staged, whole):
        assert (run.requests, run.concurrency) == (21, 2)
        assert 0 < run.p50_ms <= run.p95_ms <= run.p99_ms
        assert run.memory_mb > 30
        assert all(0 < cost.compute_ms <= cost.request_ms for cost in run.stages[:-1])
    assert [cost.model for cost in staged.stages] == [*(stage.name for stage in STAGES), ENSEMBLE]
    assert [cost.model for cost in whole.stages] == ["graph_runner", RECOMMENDER]
    assert same_lists(lists, others) == 1
    output = io.StringIO()
    show(Console(file=output, width=140), [staged, replace(whole, requests_per_second=2 * staged.requests_per_second)])
    assert all(stage.name in output.getvalue() for stage in STAGES)
    assert "2.0" in output.getvalue() and "cores" in output.getvalue()


@pytest.mark.slow
def test_every_model_has_a_process_whose_cost_is_known(shop: Settings) -> None:
    used = usage(shop)
    assert set(used) >= {SERVER, "graph_runner", *(stage.name for stage in STAGES)}
    assert all(one.cpu_s > 0 and one.memory > 1e6 for one in used.values())
