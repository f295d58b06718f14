from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest
from tritonclient.grpc.service_pb2 import ModelInferResponse
from tritonclient.grpc.service_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli.local.triton import Triton
from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.runner import load_stages, run
from rec_assets.serving.translation import Device
from rec_assets.serving.triton.availability import UnavailableError
from rec_assets.serving.triton.control import probe
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.model_repository import publish, repository_path
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port


class Aborting(GRPCInferenceServiceServicer):
    """Answers like a Triton that aborts during a request: successfully, and without outputs."""

    def ModelInfer(self, request: Any, context: Any) -> ModelInferResponse:
        return ModelInferResponse(model_name=request.model_name)


def test_an_answer_without_a_list_is_a_failure_of_the_server(tmp_path: Path) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    add_GRPCInferenceServiceServicer_to_server(Aborting(), server)
    settings = Settings(home=tmp_path, triton_grpc_port=server.add_insecure_port("127.0.0.1:0"))
    server.start()
    with pytest.raises(UnavailableError, match="failed: an answer without a list"):
        Client(settings).recommend(7)
    with pytest.raises(ActionableError, match="could not answer: an answer without a list"):
        probe.probe(settings)
    server.stop(None)


NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Starts a Triton without models, and no Valkey."""
    ports = {f"{name}_port": free_port() for name in ("valkey", "triton_grpc", "triton_metrics")}
    settings = Settings.model_validate({"home": tmp_path_factory.mktemp("triton"), **ports})
    server = Triton(settings)
    server.start()
    yield settings
    server.stop()


def test_the_error_for_an_unreachable_triton_has_its_address_and_the_command() -> None:
    unreachable = Settings(triton_grpc_port=free_port())
    with pytest.raises(ActionableError, match=f"127.0.0.1:{unreachable.triton_grpc_port}.*\n.*rec up"):
        Client(unreachable).recommend(5)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"device_type": "phone"}, "mobile, desktop, tablet or a number, not 'phone'"),
        ({"timestamp": -1}, "timestamp must not be negative"),
        ({"timestamp": datetime(2025, 3, 10)}, "time zone"),
        ({"user_id": 2**40}, "32 bits"),
        ({"user_id": "five"}, "user id 'five' is not a number"),
        ({"user_id": 1.5}, "integers"),
        ({"k": 0}, "k must be positive"),
        ({"recent": [10]}, "recent must be pairs of item and time"),
        ({"recent": [(10,)]}, "recent must be integers|pairs of item and time"),
        ({"recent": [("ten", 5)]}, "item id 'ten' is not a number"),
        ({"recent": [(10, datetime(2025, 3, 10))]}, "time zone"),
        ({"recent": [(10, 5)] * 51}, "at most 50 items, not 51"),
    ],
)
def test_an_invalid_argument_is_refused_before_a_request_is_sent(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint):
        Client(Settings(triton_grpc_port=free_port())).recommend(**{"user_id": 5} | arguments)


@pytest.mark.slow
def test_a_client_gets_the_lists_of_the_graph_in_one_process(triton: Settings, tiny_bundle: Bundle) -> None:
    client = Client(triton)
    with pytest.raises(ActionableError, match=r"no bundle was promoted yet.*\n.*make demo"):
        client.recommend(5)

    server_control.go_live(triton, publish(tiny_bundle, repository_path(triton), settings=triton))
    stages = load_stages(tiny_bundle, triton)
    requests: list[tuple[int, int | Device | None, int]] = [(5, "mobile", 0), (7, 2, 2), (9999, None, -1)]
    for user, device, code in requests:
        answer = client.recommend(user, device, NOON)
        expected = run(stages, {"user_id": [user], "device_type": [code], "timestamp": [int(NOON.timestamp())]})
        np.testing.assert_array_equal(answer.item_ids, expected["ordered_ids"])
        np.testing.assert_allclose(answer.scores, expected["ordered_scores"], rtol=1e-5)
        assert answer.bundle_id == tiny_bundle.bundle_id
    assert list(client.recommend(5, "mobile", NOON, k=3)) == list(client.recommend(5, 0, NOON))[:3]
    assert len(client.recommend(5)) == 50

    session: list[tuple[int | str, int | datetime]] = [
        (13, NOON - timedelta(hours=1)),
        ("40", int(NOON.timestamp()) - 60),
        (9999, NOON),
    ]
    answer = client.recommend(-1, None, NOON, recent=session)
    pairs = [[(item, int(NOON.timestamp()) - seconds) for item, seconds in ((13, 3600), (40, 60), (9999, 0))]]
    expected = run(stages, {"user_id": [-1], "timestamp": [int(NOON.timestamp())], "recent": pairs})
    np.testing.assert_array_equal(answer.item_ids, expected["ordered_ids"])
    assert not {13, 40} & set(answer.item_ids.tolist())
    assert list(answer) != list(client.recommend(-1, None, NOON))
