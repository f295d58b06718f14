"""Starts a real Triton with the options of the chart."""

from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from rec_assets.cli.local.server import LOOPBACK, is_open
from rec_assets.cli.local.triton import Triton, trace_options
from rec_assets.settings import Settings
from rec_assets_tests.deploy.manifests import rendered
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until

KEY = "a-long-random-word"
CLOSED = ["/v2/repository/index", "/v2/systemsharedmemory/status", "/v2/logging", "/v2/trace/setting"]


def options_of_the_chart() -> list[str]:
    values = {"settings": {"REC_OTLP_ENDPOINT": "http://127.0.0.1:4318"}}
    deployment = next(one for one in rendered("triton", values) if one["kind"] == "Deployment")
    _, _, options = deployment["spec"]["template"]["spec"]["containers"][0]["args"][0].partition("exec tritonserver ")
    # Leaves out paths and models of the cluster; the local server has its own.
    mine = [word for word in options.split() if not word.startswith(("--model-repository", "--load-model"))]
    return [word.replace('"${REC_TRITON_CONTROL_KEY:?}"', KEY) for word in mine]


class TritonOfTheChart(Triton):
    http_port = free_port()

    def command(self) -> list[str]:
        chart = options_of_the_chart()
        changed = ("--exit-timeout-secs", "--grpc-restricted-protocol", "--allow-http")
        own = [word for word in super().command() if not word.startswith(changed)]
        # Pods serve HTTP too.
        http = [f"--http-address={LOOPBACK}", f"--http-port={self.http_port}"]
        return [*own, *http, *(word for word in chart if word not in own)]


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    ports = {f"{name}_port": free_port() for name in ("triton_grpc", "triton_metrics")}
    settings = Settings.model_validate({"home": tmp_path_factory.mktemp("triton"), **ports})
    server = TritonOfTheChart(settings)
    server.start()
    try:
        wait_until(lambda: is_open(TritonOfTheChart.http_port))  # opens after gRPC, which `start` waits for
        yield settings
    finally:
        server.stop()


def status(settings: Settings, path: str, headers: dict[str, str]) -> int:
    body = b"{}" if path == "/v2/repository/index" else None
    try:
        with urlopen(Request(f"http://{settings.host}:{TritonOfTheChart.http_port}{path}", body, headers)) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_the_options_of_traces_are_those_of_the_laptop() -> None:
    assert set(trace_options("http://127.0.0.1:4318/")) <= set(options_of_the_chart())


def test_it_starts_with_them_and_is_live(triton: Settings) -> None:
    assert status(triton, "/v2/health/live", {}) == 200


@pytest.mark.parametrize("path", CLOSED)
def test_who_has_no_key_changes_and_sees_nothing(triton: Settings, path: str) -> None:
    assert status(triton, path, {}) == 403
    assert status(triton, path, {"control-key": "guessed"}) == 403
    assert status(triton, path, {"control-key": KEY}) == 200
