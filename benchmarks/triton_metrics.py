"""Reads Triton's metrics, and computes the cost of each model between two readings."""

import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.error import URLError

from prometheus_client.parser import text_string_to_metric_families

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings

TIMEOUT = 30.0  # seconds
START_TRITON = "Start it with `rec up`, and train and promote a first bundle with `make demo`."


@dataclass(frozen=True)
class Totals:
    """Counters of a model since the start of the server. Times are sums over requests and versions, in microseconds."""

    count: float = 0.0
    request: float = 0.0
    queue: float = 0.0
    compute: float = 0.0


_METRICS = {
    "nv_inference_count": "count",
    "nv_inference_request_duration_us": "request",
    "nv_inference_queue_duration_us": "queue",
    "nv_inference_compute_infer_duration_us": "compute",
}


@dataclass(frozen=True)
class StageCost:
    """Means over the requests of a run, in milliseconds. `share` is relative to the time of the whole ensemble.

    Shares may not add up to one: independent stages run in parallel, and passing tensors between stages takes time.
    For the ensemble itself, Triton reports the sum of the compute times of its stages.
    """

    model: str
    request_ms: float
    queue_ms: float
    compute_ms: float
    share: float


def parse_metrics(text: str) -> dict[str, Totals]:
    """Parses the totals of each model from Triton's metrics page, summed over versions."""
    sums: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        if family.name not in _METRICS:
            continue
        for sample in family.samples:
            model = sums.setdefault(sample.labels["model"], dict.fromkeys(_METRICS.values(), 0.0))
            model[_METRICS[family.name]] += sample.value
    return {model: Totals(**values) for model, values in sums.items()}


def stage_costs(
    before: Mapping[str, Totals], after: Mapping[str, Totals], members: Sequence[str], ensemble: str
) -> list[StageCost]:
    """Computes the mean cost of every member, in the given order, then of their ensemble, between two readings.

    Raises:
        ActionableError: the ensemble or a member answered no request between the readings.
    """
    spent: dict[str, Totals] = {}
    for name in (*members, ensemble):
        then, now = before.get(name, Totals()), after.get(name, Totals())
        count = now.count - then.count
        if count <= 0:
            raise ActionableError(f"Triton's metrics have no request to {name} during the run.", START_TRITON)
        spent[name] = Totals(
            count,
            (now.request - then.request) / count / 1000,
            (now.queue - then.queue) / count / 1000,
            (now.compute - then.compute) / count / 1000,
        )
    whole = spent[ensemble].request
    return [StageCost(name, s.request, s.queue, s.compute, s.request / whole) for name, s in spent.items()]


def read_metrics(settings: Settings) -> dict[str, Totals]:
    """Reads the metrics of the running server. Raises ActionableError if the server does not answer."""
    url = f"http://{settings.host}:{settings.triton_metrics_port}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as page:
            return parse_metrics(page.read().decode())
    except (URLError, OSError) as error:
        raise ActionableError(f"Triton's metrics are not available at {url}: {error}", START_TRITON) from error
