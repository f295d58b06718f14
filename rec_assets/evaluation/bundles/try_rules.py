"""Compares the lists of the last week with and without rules of the shop, on one bundle."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.datasets.joined_days import ROWS, log_of, read_events
from rec_assets.evaluation.bundles.replay import AS_BUNDLED, PastRequests, answers, first_arrivals, ranked_lists
from rec_assets.evaluation.bundles.shown_requests import ShownRequests
from rec_assets.features.joins import USER_COLUMNS
from rec_assets.features.store.item_attributes import NO_ATTRIBUTES, ItemAttributes
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.stores.recent_items import NO_ITEM
from rec_assets.serving.rules.active import ActiveRules
from rec_assets.serving.rules.rules import Rules
from rec_assets.serving.stages.followed.rules import GetRules, item_groups, no_rules
from rec_assets.settings import Settings
from rec_assets.sources.base import RAW_ITEMS
from rec_assets.storage.artifacts.store import ArtifactStore

DEPTH, USERS, SEED = 10, 500, 0
MIN_ANSWERS = 50  # recorded answers that are better than the days of the source
REQUEST_DAYS, HISTORY_DAYS = 7, 28
DAY_S = 86_400

# Returns lists [q, DEPTH] and the probabilities of their items, under some rules.
MakeLists = Callable[[GetRules], tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]]


@dataclass(frozen=True)
class RulesTrial:
    """The difference that rules make.

    Attributes:
        lists: number of lists.
        of: the requests that got them, "recorded answers" or "users".
        changed: lists with other items or another order.
        first_changed: lists with another first item.
        came, went: raw item and number of lists that it joined or left, the most frequent first.
        probability_without, probability_with: mean over the lists of the sum of the ranker's probabilities.
    """

    lists: int
    of: str
    changed: int
    first_changed: int
    came: list[tuple[int, int]]
    went: list[tuple[int, int]]
    probability_without: float
    probability_with: float

    @property
    def cost(self) -> float:
        """Returns the share of the probabilities that the rules cost; negative for a gain."""
        return 1 - self.probability_with / self.probability_without if self.probability_without else 0.0


def try_rules(
    bundle: Bundle, store: ArtifactStore, settings: Settings, rules: Rules[int], at: datetime, users: int = USERS
) -> RulesTrial:
    """Answers requests of the last week with and without rules, and compares the lists of 10 items.

    The requests are those of the answers recorded in the last week, with their sessions, filters, features and
    histories. With fewer than `MIN_ANSWERS` of them, they are one request of each user of the newest days. It has the
    time and the features of the first interaction on the user's last day. Item signals are those of the bundle. Seen
    items are not removed.

    Args:
        bundle: the bundle that answers.
        store: artifact store with `joined_interactions`, and `raw_items` for rules that read attributes.
        settings: serving settings, and the home or bucket of the log of answers.
        rules: rules with the numbers of the models.
        at: time with a zone; rules outside their period have no effect.
        users: maximum number of requests, a random sample.

    Raises:
        ActionableError: there is no day with joined rows.
    """
    shown = ShownRequests.sample(AnswerLog.of(settings), datetime.now(UTC), REQUEST_DAYS, users, SEED)
    are_enough = len(shown) >= MIN_ANSWERS
    lists = _of_answers(bundle, shown, settings) if are_enough else _of_users(bundle, store, settings, users)
    raw_items = store.find("raw_items")
    attributes = NO_ATTRIBUTES if raw_items is None else ItemAttributes.read(raw_items / RAW_ITEMS)
    active = ActiveRules.of(rules, item_groups(bundle, attributes), at)
    without, probabilities = lists(no_rules)
    ruled, ruled_probabilities = lists(lambda: active)
    of = "recorded answers" if are_enough else "users"
    return compare_lists(of, without, ruled, float(probabilities.sum()), float(ruled_probabilities.sum()))


def _of_answers(bundle: Bundle, shown: ShownRequests, settings: Settings) -> MakeLists:
    return lambda rules: ranked_lists(bundle, shown.batches(bundle), len(shown), AS_BUNDLED, DEPTH, settings, rules)


def _of_users(bundle: Bundle, store: ArtifactStore, settings: Settings, users: int) -> MakeLists:
    days = store.partitions("joined_interactions")[-HISTORY_DAYS:]
    if not days:
        raise ActionableError("There are no joined days.", "Materialize joined_interactions, or run `rec demo`.")
    joined = [store.get("joined_interactions", day) / ROWS for day in days]
    requests, log = last_requests(joined[-REQUEST_DAYS:], users), log_of(joined)
    return lambda rules: answers(bundle, requests, log, AS_BUNDLED, DEPTH, settings, rules)


def last_requests(joined: list[Path], users: int) -> PastRequests:
    """Returns one request per user of some days: the first of the user's last day; at most `users`, sampled."""
    events = read_events(joined, ("user_id", "item_id", "timestamp", "device_type", *USER_COLUMNS, "top_category"))
    day = pl.col("timestamp") // DAY_S
    events = events.filter(day == day.max().over("user_id"))
    known = events["user_id"].unique().sort()
    sample = known.sample(min(users, known.len()), seed=SEED)
    return first_arrivals(events.filter(pl.col("user_id").is_in(sample.implode())))


def compare_lists(
    of: str,
    without: npt.NDArray[np.int32],
    ruled: npt.NDArray[np.int32],
    probability_without: float,
    probability_with: float,
) -> RulesTrial:
    """Compares lists, raw ids [q, k] padded with `NO_ITEM`, and the sums of their probabilities."""
    came, went = Counter[int](), Counter[int]()
    for old, new in zip(without.tolist(), ruled.tolist(), strict=True):
        came.update(set(new) - set(old) - {int(NO_ITEM)})
        went.update(set(old) - set(new) - {int(NO_ITEM)})
    most = max(len(without), 1)
    return RulesTrial(
        lists=len(without),
        of=of,
        changed=int((without != ruled).any(axis=1).sum()),
        first_changed=int((without[:, 0] != ruled[:, 0]).sum()),
        came=came.most_common(),
        went=went.most_common(),
        probability_without=probability_without / most,
        probability_with=probability_with / most,
    )
