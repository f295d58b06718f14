"""Triton's own counters of the models of each bundle, since the server started."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rec_assets.serving.triton.control.calls import call
from rec_assets.serving.triton.model_repository import MEMBERS, bundle_id, repository_path, versions
from rec_assets.settings import Settings

ByBundle = dict[str, dict[str, "Counters"]]


@dataclass(frozen=True)
class Counters:
    """Counters of one version of a model.

    Attributes:
        answers: number of answered requests.
        failures: number of failed requests.
        milliseconds: sum of the times of the answers, with the time in the queue.
    """

    answers: int = 0
    failures: int = 0
    milliseconds: float = 0.0

    @property
    def requests(self) -> int:
        """Returns the number of requests."""
        return self.answers + self.failures

    @property
    def error_share(self) -> float:
        """Returns the share of failed requests, 0 without a request."""
        return self.failures / self.requests if self.requests else 0.0

    @property
    def mean_ms(self) -> float:
        """Returns the mean time of an answer, 0 without one."""
        return self.milliseconds / self.answers if self.answers else 0.0

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(
            self.answers + other.answers, self.failures + other.failures, self.milliseconds + other.milliseconds
        )


def counters_by_bundle(settings: Settings) -> ByBundle:
    """Returns the counters of the published versions by bundle and model; raises ActionableError if unreachable."""
    repository = repository_path(settings)
    bundles = {str(version): bundle_id(repository, version) for version in versions(repository)}
    made: ByBundle = {}
    for one in call(settings, "return its statistics", lambda client: client.get_inference_statistics()).model_stats:
        if one.name in MEMBERS and one.version in bundles:
            success, failures = one.inference_stats.success, one.inference_stats.fail.count
            found = Counters(success.count, failures, success.ns / 1e6)
            made.setdefault(bundles[one.version], {})[one.name] = found
    return made


def added(parts: Iterable[Mapping[str, Mapping[str, Counters]]]) -> ByBundle:
    """Returns the sum of the counters of several servers."""
    made: ByBundle = {}
    for part in parts:
        for bundle, models in part.items():
            for model, counters in models.items():
                sums = made.setdefault(bundle, {})
                sums[model] = sums.get(model, Counters()) + counters
    return made
