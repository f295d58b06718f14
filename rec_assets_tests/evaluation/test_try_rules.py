import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.datasets.joined_days import write_joined
from rec_assets.evaluation.bundles.replay import AS_BUNDLED, ranked_lists
from rec_assets.evaluation.bundles.shown_requests import ShownRequests
from rec_assets.evaluation.bundles.try_rules import DEPTH, compare_lists, try_rules
from rec_assets.realtime.answers.ids import new_ids
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.answers.schema import SCHEMA
from rec_assets.realtime.stores.recent_items import NO_ITEM
from rec_assets.serving.answers.inputs import FIELDS, pack_inputs
from rec_assets.serving.rules.rules import Rules
from rec_assets.settings import Settings
from rec_assets.sources.roles import TARGET
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets_tests.servers import free_port

NOON = int(datetime(2025, 3, 10, 12, tzinfo=UTC).timestamp())


def show(settings: Settings, requests: Sequence[tuple[int, list[int], str]]) -> pl.DataFrame:
    """Logs an answer for each user, session and filter, and returns the log's rows."""
    at = time.time_ns() // 1_000_000
    rows: list[tuple[object, ...]] = []
    for answer_id, (user, session, filters) in zip(new_ids(len(requests), at), requests, strict=True):
        values: dict[str, list[float]] = {"recent": [x for item in session for x in (item, NOON - 60)]}
        values |= {"top_k": [10], "raw_user/age": [30], "raw_user/gender": [0], "raw_user/top_category": [-1]}
        inputs = pack_inputs([np.array(values.get(name, []), kind) for name, kind in FIELDS.items()])
        rows.append((answer_id, at, user, "bundle", "", 0, NOON, False, filters, [], [], inputs))
    answers = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    log = AnswerLog.of(settings, "worker")
    log.append(answers)
    assert log.write(now=True)
    return answers


def test_recorded_answers_are_tried_with_their_sessions_and_filters(tiny_bundle: Bundle, tmp_path: Path) -> None:
    settings, store = Settings(home=tmp_path, valkey_port=free_port()), ArtifactStore(tmp_path / "artifacts")
    answers = show(settings, [(-1, [], "")] * 30 + [(-1, [10, 13], ""), (5, [], '{"category_l1":[2]}')] * 20)
    lists, _ = ranked_lists(
        tiny_bundle, ShownRequests.of(answers).batches(tiny_bundle), 70, AS_BUNDLED, DEPTH, settings
    )
    categories = dict(tiny_bundle.catalog().select("item_id", "category_l1").iter_rows())
    assert (lists[0] != lists[30]).any(), "a session changes a list"
    assert {categories[item] for item in lists[31].tolist() if item != NO_ITEM} == {2}

    at = datetime.now(UTC)
    blocked = Rules[int].model_validate({"block": [{"name": "a", "category_l1": [2]}]})
    trial = try_rules(tiny_bundle, store, settings, blocked, at)
    assert (trial.lists, trial.of) == (70, "recorded answers")
    assert trial.changed >= 20, "lists within the category are empty under the rule"
    assert {categories[item] for item, _ in trial.went} == {2}
    assert try_rules(tiny_bundle, store, settings, Rules(), at, users=60).lists == 60
    with pytest.raises(ActionableError, match="no joined days"):
        try_rules(tiny_bundle, store, settings, Rules(), at, users=40)


def test_answers_of_another_release_are_left_out(tmp_path: Path) -> None:
    answers = show(Settings(home=tmp_path), [(1, [], ""), (2, [], "")])
    damaged = pl.Series("inputs", [b"other", answers["inputs"][1]])
    requests = ShownRequests.of(answers.with_columns(damaged))
    assert (len(requests), requests.answers["user_id"].to_list()) == (1, [2])


def test_a_trial_counts_changes_of_lists_and_of_items_and_the_probability() -> None:
    without = np.array([[1, 2], [3, 4], [5, -1]], np.int32)
    ruled = np.array([[1, 2], [4, 3], [6, 2]], np.int32)
    trial = compare_lists("users", without, ruled, 3.0, 2.4)
    assert (trial.lists, trial.changed, trial.first_changed) == (3, 2, 2)
    assert (dict(trial.came), dict(trial.went)) == ({6: 1, 2: 1}, {5: 1})
    assert (trial.probability_without, trial.probability_with, trial.cost) == pytest.approx((1.0, 0.8, 0.2))


def test_the_users_of_the_last_days_get_lists_with_and_without_rules(tiny_bundle: Bundle, tmp_path: Path) -> None:
    settings, store = Settings(home=tmp_path, valkey_port=free_port()), ArtifactStore(tmp_path / "artifacts")
    at = datetime.now(UTC)
    with pytest.raises(ActionableError, match="no joined days"):
        try_rules(tiny_bundle, store, settings, Rules(), at)
    rng = np.random.default_rng(0)
    for day in range(2):
        constant = {name: [value] * 12 for name, value in (("device_type", 0), ("gender", 0), ("top_category", 0))}
        rows = pl.DataFrame(
            {"user_id": range(1, 13), "item_id": rng.choice(np.arange(10, 160, 3), 12), "age": [30] * 12, **constant}
        ).cast(pl.Int32)
        times = pl.Series("timestamp", NOON + 86_400 * day + np.arange(12))
        with store.publish("joined_interactions", f"2025-03-1{day}") as draft:
            write_joined(rows.with_columns(times, role=pl.lit(TARGET, pl.Int32)), draft.path)

    none = try_rules(tiny_bundle, store, settings, Rules(), at)
    assert (none.lists, none.changed, none.came, none.went, none.cost) == (12, 0, [], [], 0)
    assert none.probability_without > 0

    pinned = Rules[int].model_validate({"pin": [{"name": "a", "item": 157, "position": 1}]})
    one = try_rules(tiny_bundle, store, settings, pinned, at)
    assert [item for item, _ in one.came] == [157]
    assert 0 < one.first_changed == one.changed
    assert one.cost > 0

    blocked = Rules[int].model_validate({"block": [{"name": "a", "category_l1": [0]}]})
    trial = try_rules(tiny_bundle, store, settings, blocked, at, users=5)
    categories = dict(tiny_bundle.catalog().select("item_id", "category_l1").iter_rows())
    assert (trial.lists, {categories[item] for item, _ in trial.went}) == (5, {0})
    assert all(categories[item] != 0 for item, _ in trial.came)
    assert sum(count for _, count in trial.came) == sum(count for _, count in trial.went) <= 5 * DEPTH
