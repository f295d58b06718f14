"""Traces through the API, the real Triton and the real Valkey, as a collector gets them.

Triton 2.51 begins no trace for a few of 100 requests with the header, at random, so tests send a request several times.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection

import numpy as np
import pytest
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli.local.triton import Triton
from rec_assets.cli.local.valkey import Valkey
from rec_assets.common.traces import tracing
from rec_assets.serving.api.app import TRACED_AS, api_server
from rec_assets.serving.graph.spec import WHOLE
from rec_assets.serving.runner import needed, run
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.serving.triton import model_config, model_repository
from rec_assets.serving.triton.control import server as server_control
from rec_assets.settings import Settings
from rec_assets_tests.collector import Collector, running_collector
from rec_assets_tests.servers import free_port, in_thread
from rec_assets_tests.serving.test_stage_model import TOY_CONFIG, TOY_MODEL
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow
CALLER = "b7ad6b7169203331"
TIMES = 5


@dataclass(frozen=True)
class Servers:
    """An API in this process that begins no traces itself, a Triton and a Valkey."""

    settings: Settings
    valkey: Valkey

    def ask(self, path: str, body: object, traceparent: str = "") -> int:
        """Returns the status of the response to a POST request."""
        headers = {"Content-Type": "application/json"} | ({"traceparent": traceparent} if traceparent else {})
        connection = HTTPConnection("127.0.0.1", self.settings.api_port, timeout=20)
        connection.request("POST", path, json.dumps(body), headers)
        with connection.getresponse() as response:
            response.read()
            return response.status

    def ask_repeatedly(self, path: str, body: object, number: int) -> range:
        """Sends a request `TIMES` times, each with a trace of its own, and returns the numbers of the traces."""
        numbers = range(number, number + TIMES)
        assert {self.ask(path, body, header(one)) for one in numbers} == {200}
        return numbers


def trace(number: int) -> str:
    return f"{number:032x}"


def header(number: int, flags: str = "01") -> str:
    return f"00-{trace(number)}-{CALLER}-{flags}"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A collector that gets spans a tenth of a second after they end."""
    with pytest.MonkeyPatch.context() as patch, running_collector() as running:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield running


@pytest.fixture(scope="module")
def servers(collector: Collector, tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Servers"]:
    """Servers of their own, because the options of Triton differ."""
    ports = {f"{name}_port": free_port() for name in ("valkey", "triton_grpc", "triton_metrics", "api")}
    values = {"home": tmp_path_factory.mktemp("traces"), "triton_instances": 1, "ranking_topk": 10, **ports}
    settings = Settings.model_validate(values | {"otlp_endpoint": collector.endpoint, "trace_share": 0})
    models = model_repository.repository_path(settings)
    valkey, triton = Valkey(settings), Triton(settings)
    with pytest.MonkeyPatch.context() as patch, tracing.traces(TRACED_AS, settings.otlp_endpoint, 0):
        # Leaves only the topology with one process: the other one has 14 processes.
        patch.delitem(model_config.TOPOLOGIES, model_config.ENSEMBLE)
        patch.setattr(model_config, "LIVE", (model_config.RECOMMENDER, model_config.RELATED_ITEMS))
        model_repository.switch(models, model_repository.publish(tiny_bundle, models, settings=settings))
        valkey.start()
        triton.start()
        try:
            with in_thread(api_server(settings)):
                yield Servers(settings, valkey)
        finally:
            triton.stop()
            valkey.stop()


def complete(collector: Collector, numbers: range, first: str) -> list[int]:
    """Returns the numbers of the traces whose spans of the API and of Triton have arrived."""

    def arrived(number: int) -> bool:
        # Each process sends a block after the blocks within it: these three end last.
        names = {one.name for one in collector.trace(trace(number))}
        return {first, "InferRequest"} <= names and any(name.endswith(" batch") for name in names)

    return [number for number in numbers if arrived(number)]


def complete_one(collector: Collector, numbers: range, first: str) -> int:
    """Waits until one of the traces is complete, and returns its number."""
    return wait_until(lambda: complete(collector, numbers, first))[0]


def test_one_request_is_one_trace_from_the_caller_to_valkey(
    servers: Servers, collector: Collector, stages_alone: dict[str, Stage]
) -> None:
    assert servers.ask("/recommend", {"user_id": "3"}) == 200  # begins no trace
    assert servers.ask("/recommend", {"user_id": "3"}, header(1, flags="00")) == 200
    numbers = servers.ask_repeatedly("/recommend", {"user_id": "3"}, 2)
    number = complete_one(collector, numbers, "POST /recommend")
    spans, path = collector.trace(trace(number)), collector.path(trace(number), "valkey users")
    assert [(one.service, one.name) for one in path] == [
        ("rec-triton", "valkey users"),
        ("rec-triton", "feast_user_lookup"),
        ("rec-triton", f"{WHOLE.name} batch"),
        ("rec-triton", WHOLE.name),
        ("rec-triton", "recommender"),
        ("rec-triton", "InferRequest"),
        ("rec-api", "triton recommender"),
        ("rec-api", "POST /recommend"),
    ]
    assert path[-1].parent == CALLER
    (batch,) = (one for one in spans if one.name == f"{WHOLE.name} batch")
    assert batch.attributes == {"rec.requests": 1}
    stages = sorted(one.name for one in spans if one.parent == batch.id)
    assert stages == sorted(spec.name for spec in needed(stages_alone))
    stores = {one.name for one in spans if one.attributes.get("db.system.name") == "valkey"}
    assert stores == {"valkey users", "valkey seen_items"}
    assert not any(one.failed for one in spans)
    assert {one.trace for one in collector.spans} <= {trace(one) for one in numbers}


def test_every_request_of_a_batch_has_all_stages_in_its_own_trace(
    servers: Servers, collector: Collector, stages_alone: dict[str, Stage]
) -> None:
    def largest_batch(numbers: range) -> int:
        with ThreadPoolExecutor(len(numbers)) as threads:
            asked = threads.map(lambda one: servers.ask("/recommend", {"user_id": str(one)}, header(one)), numbers)
            assert set(asked) == {200}
        wait_until(lambda: len(complete(collector, numbers, "POST /recommend")) >= len(numbers) // 2)
        for number in complete(collector, numbers, "POST /recommend"):
            names = [one.name for one in collector.trace(trace(number))]
            assert {names.count(spec.name) for spec in needed(stages_alone)} == {1}
        batches = [one for one in collector.spans if one.name == f"{WHOLE.name} batch"]
        return max(int(one.attributes["rec.requests"]) for one in batches)

    # Triton decides which requests it batches.
    assert any(largest_batch(range(first, first + 8)) > 1 for first in range(1000, 1400, 8))


def test_other_requests_have_their_calls_and_no_span_names_a_person(servers: Servers, collector: Collector) -> None:
    event = {"user_id": "3", "item_id": "10", "at": 1_742_040_000}
    assert servers.ask("/people/977001/forget", {}, header(40)) == 200
    assert servers.ask("/events", {"events": [event]}, header(41)) == 200
    similar = complete_one(collector, servers.ask_repeatedly("/similar", {"item_id": "10"}, 42), "POST /similar")
    assert [one.name for one in collector.path(trace(similar), "related_lists batch")][-1] == "POST /similar"
    wait_until(lambda: len(collector.trace(trace(41))) == 2)
    assert [one.name for one in collector.path(trace(41), "valkey events")] == ["valkey events", "POST /events"]
    assert collector.trace(trace(40)) == []


def test_a_stage_that_fails_is_marked(servers: Servers, collector: Collector) -> None:
    folder = model_repository.repository_path(servers.settings) / "toy" / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(TOY_MODEL)
    (folder.parent / "config.pbtxt").write_text(TOY_CONFIG)
    server_control.load(servers.settings, ["toy"])
    one = grpc.InferInput("x", [1], "INT32").set_data_from_numpy(np.zeros(1, np.int32))  # the toy fails for 0
    address = f"{servers.settings.host}:{servers.settings.triton_grpc_port}"
    numbers = range(500, 500 + TIMES)
    with grpc.InferenceServerClient(address) as client:
        for number in numbers:
            with pytest.raises(InferenceServerException, match="KeyError"):
                client.infer("toy", [one], headers={"traceparent": header(number)})
    traces = {trace(number) for number in numbers}
    wait_until(lambda: any(span.name == "toy batch" for span in collector.spans))
    assert {span.name for span in collector.spans if span.trace in traces and span.failed} == {"toy batch"}


def test_an_error_in_a_batch_marks_the_stage_and_the_batch_in_every_trace(
    servers: Servers, collector: Collector, stages_alone: dict[str, Stage]
) -> None:
    def fails(inputs: object) -> Arrays:
        raise ValueError("broken")

    with pytest.raises(ValueError), tracing.continued([header(51), None, header(52)], "batch", {"rec.requests": 3}):
        run({**stages_alone, "dlrm_ranking": fails}, {"user_id": [1, 2, 3]})
    for number in (51, 52):
        wait_until(lambda: any(one.name == "batch" for one in collector.trace(trace(number))))  # noqa: B023
        failed = [one.name for one in collector.trace(trace(number)) if one.failed]
        assert [name for name in failed if "valkey" not in name] == ["dlrm_ranking", "batch"]


def test_without_valkey_its_calls_fail_in_the_trace_of_a_degraded_list(servers: Servers, collector: Collector) -> None:
    numbers = range(60, 60 + TIMES)
    for number in numbers:
        servers.valkey.stop()
        try:
            assert servers.ask("/recommend", {"user_id": "3"}, header(number)) == 200
        finally:
            servers.valkey.start()
        # An answer of Valkey resets the circuit breaker, which would stop later calls.
        assert servers.ask("/recommend", {"user_id": "3"}) == 200
    spans = collector.trace(trace(complete_one(collector, numbers, "POST /recommend")))
    stores = ("users", "seen_items")
    assert {one.name for one in spans if one.failed} == {f"valkey {store}" for store in stores}
    (lookup,) = (one for one in spans if one.name == "feast_user_lookup")
    assert [event.partition(":")[0] for event in lookup.events] == ["users"]


def test_a_collector_that_hangs_costs_no_answer_and_later_traces_arrive(servers: Servers, collector: Collector) -> None:
    collector.answers.clear()
    try:
        asked = [servers.ask("/recommend", {"user_id": "3"}, header(number)) for number in range(70, 130)]
    finally:
        collector.answers.set()
    assert set(asked) == {200}
    later = servers.ask_repeatedly("/recommend", {"user_id": "3"}, 130)
    assert complete_one(collector, later, "POST /recommend") in later
