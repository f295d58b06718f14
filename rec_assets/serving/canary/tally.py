"""Answers and errors of a bundle during a canary, as counts that add up over clients. Does not store them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

LIVE, CANDIDATE = "live", "candidate"  # answers to users
MIRRORED, SHADOW = "mirrored", "shadow"  # answers of the live bundle and of the candidate to the same requests
OVERLAP, DIFFERENCE = "shadow:overlap", "shadow:difference"  # sums over the answers of SHADOW

_ERRORS, _MISSED = "errors", "missed"
_GROWTH = 1.1  # ratio of two neighboring buckets of times, so that a quantile is right within 5 %
_SHORTEST_MS = 0.01


def answered(arm: str, milliseconds: float) -> str:
    """Returns the name of the count of an arm's answers that took about this time."""
    return f"{arm}:{round(math.log(max(milliseconds, _SHORTEST_MS), _GROWTH))}"


def failed(arm: str) -> str:
    """Returns the name of the count of an arm's errors."""
    return f"{arm}:{_ERRORS}"


def missed(arm: str) -> str:
    """Returns the name of the count of an arm's requests that reached a server without its bundle."""
    return f"{arm}:{_MISSED}"


@dataclass(frozen=True)
class Tally:
    """Answers of one arm.

    Attributes:
        times: number of answers by bucket of time.
        errors: number of requests without an answer.
        missed: number of requests that reached a server without the bundle, as a new replica.
    """

    times: Mapping[int, float]
    errors: float = 0
    missed: float = 0

    @classmethod
    def of(cls, arm: str, counts: Mapping[str, float]) -> "Tally":
        """Returns the tally of an arm from the counts of all arms."""
        mine = {name.removeprefix(f"{arm}:"): value for name, value in counts.items() if name.startswith(f"{arm}:")}
        times = {int(name): value for name, value in mine.items() if name.lstrip("-").isdigit()}
        return cls(times, mine.get(_ERRORS, 0), mine.get(_MISSED, 0))

    @property
    def answers(self) -> float:
        """Returns the number of answers."""
        return sum(self.times.values())

    @property
    def requests(self) -> float:
        """Returns the number of requests to the bundle."""
        return self.answers + self.errors

    @property
    def error_share(self) -> float:
        """Returns the share of requests without an answer, 0 without a request."""
        return self.errors / self.requests if self.requests else 0.0

    def quantile(self, share: float) -> float:
        """Returns the time in milliseconds within which a share of the answers came, NaN without an answer."""
        buckets = sorted(self.times)
        for bucket, number in zip(buckets, accumulate(self.times[one] for one in buckets), strict=True):
            if number >= share * self.answers:
                return _GROWTH**bucket
        return math.nan


@dataclass(frozen=True)
class Shadow:
    """Comparison of both bundles on mirrored requests.

    Attributes:
        overlap: mean share of the live list's items that are also in the candidate's list.
        difference: mean absolute difference of the scores of these items.
    """

    overlap: float
    difference: float

    @classmethod
    def of(cls, counts: Mapping[str, float]) -> "Shadow":
        """Returns the comparison from the counts of all arms; NaN without a mirrored answer."""
        answers = Tally.of(SHADOW, counts).answers or math.nan
        return cls(counts.get(OVERLAP, 0) / answers, counts.get(DIFFERENCE, 0) / answers)


@dataclass(frozen=True)
class Objectives:
    """Limits of a candidate.

    Attributes:
        min_requests: requests to each bundle before a candidate is judged.
        max_errors: the candidate's error share may exceed that of the live bundle by this.
        max_slowdown: the candidate's p99 may exceed that of the live bundle by this factor.
    """

    min_requests: int
    max_errors: float
    max_slowdown: float

    def broken_by(self, candidate: Tally, live: Tally) -> str:
        """Returns the objective that a candidate breaks, as a text for a person; empty if it breaks none."""
        if candidate.requests < self.min_requests:
            return ""
        if candidate.error_share > live.error_share + self.max_errors:
            return (
                f"{candidate.error_share:.2%} of {candidate.requests:,.0f} requests failed, "
                f"{live.error_share:.2%} with the live bundle"
            )
        if min(candidate.answers, live.answers) < self.min_requests:
            return ""
        slow, usual = candidate.quantile(0.99), live.quantile(0.99)
        if slow > usual * self.max_slowdown:
            return f"the p99 is {slow:.1f} ms, {usual:.1f} ms with the live bundle"
        return ""
