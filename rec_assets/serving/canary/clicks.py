"""Clicks of a canary's users and of the others, from the offline log. The hash of an id says who is in which group."""

import math
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from rec_assets.realtime.log.behavior_log import SCHEMA, BehaviorLog
from rec_assets.serving.canary.route import Route


@dataclass(frozen=True)
class Clicks:
    """Clicks of a group of users.

    Attributes:
        clicks: their number.
        per_answer: clicks for each answer to the group; NaN without an answer.
        error: standard error of `per_answer`, for users who are independent of each other.
    """

    clicks: int
    per_answer: float
    error: float

    @classmethod
    def of(cls, by_user: list[int], answers: float) -> "Clicks":
        """Returns the clicks of a group from the number of clicks of each of its users."""
        answers = answers or math.nan
        return cls(sum(by_user), sum(by_user) / answers, math.sqrt(sum(one * one for one in by_user)) / answers)


def clicks_of(
    log: BehaviorLog, route: Route, since: datetime, candidate_answers: float, live_answers: float
) -> tuple[Clicks, Clicks]:
    """Returns the clicks of the candidate's users, and of the others.

    Args:
        log: the offline log.
        route: which users the candidate answers.
        since: start of the canary, UTC.
        candidate_answers: number of answers to the candidate's users.
        live_answers: number of answers to the others.
    """
    days = [log.read(day) for day in log.days() if day >= since.date().isoformat()]
    events = pl.concat([pl.DataFrame(schema=SCHEMA), *days])
    clicked = events.filter(pl.col("kind") == "clicked", pl.col("timestamp") >= int(since.timestamp()))
    groups: dict[bool, list[int]] = {True: [], False: []}
    for user, clicks in clicked.group_by("user_id").len().iter_rows():
        groups[route.has(user)].append(clicks)
    return Clicks.of(groups[True], candidate_answers), Clicks.of(groups[False], live_answers)
