"""Answers of running servers: all are recorded, all are made again bit for bit, and `rec explain` shows them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli import app
from rec_assets.realtime.answers.entries import answers_in
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.answers.stream import AnswerStream
from rec_assets.serving.answers.replay import Replayer
from rec_assets.serving.client import Client
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.ids import Id
from rec_assets.serving.recommendations import Recommendations
from rec_assets.serving.rules.rules import Rules
from rec_assets.serving.rules.store import CurrentRules, version_of
from rec_assets.serving.triton.model_config import ENSEMBLE
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets_tests.pipeline import Pipeline
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow
REQUESTS = 1_000
NOON = 1_741_780_800  # after the days of the pipeline
FILTERS: list[Filters[Id] | None] = [None, None, Filters(category_l1=[2]), Filters(max_price=40.0, new_to_user=True)]


def ask(client: Client, numbers: Sequence[int]) -> list[Recommendations]:
    """Requests lists for users of all kinds, several at a time, so that Triton forms batches."""
    items = np.arange(1, 300)

    def one(number: int) -> Recommendations:
        rng = np.random.default_rng(number)
        session = [(int(item), NOON - 60 * place) for place, item in enumerate(rng.choice(items, 3), start=1)]
        return client.recommend(
            int(rng.choice([rng.integers(1, 800), rng.integers(10**6, 10**7), -1], p=[0.7, 0.2, 0.1])),
            int(rng.integers(-1, 3)),
            NOON + number,
            k=int(rng.integers(1, 21)),
            diversity=bool(rng.random() < 0.3),
            recent=session if rng.random() < 0.3 else (),
            filters=FILTERS[int(rng.integers(len(FILTERS)))],
        )

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, numbers))


def records(settings: Settings) -> dict[str, dict[str, Any]]:
    """Returns all recorded answers by id, those that are still in the stream and those in the log."""
    log = AnswerLog.of(settings)
    frames = [
        answers_in(AnswerStream.connect(settings).after("0")),
        *[log.read(day, inputs=True) for day in log.days()],
    ]
    return {row["answer_id"]: row for frame in frames for row in frame.iter_rows(named=True)}


def test_a_thousand_of_a_thousand_answers_are_made_again_bit_for_bit(pipeline: Pipeline) -> None:
    settings, client = pipeline.settings, Client(pipeline.settings)
    rules = Rules[int].model_validate(
        {
            "boost": [{"name": "spring", "factor": 3.0, "category_l1": [1]}],
            "cap": [{"name": "variety", "at_most": 2, "each": "category_l2"}],
        }
    )
    store = CurrentRules(connect(settings))
    shown = ask(client, range(REQUESTS // 2))
    store.replace(rules)
    try:
        shown += ask(client, range(REQUESTS // 2, REQUESTS))
    finally:
        store.replace(Rules())
    wanted = {one.answer_id: one for one in shown}
    assert len(wanted) == REQUESTS
    wait_until(lambda: wanted.keys() <= records(settings).keys())
    found = records(settings)
    bundle = Bundle.open(pipeline.artifact("model_bundle").path)
    replayer = Replayer(bundle, settings, {version_of(rules).hex(): rules}.__getitem__)
    equal = 0
    for answer_id, one in wanted.items():
        answer = found[answer_id]
        assert answer["bundle_id"] == bundle.bundle_id
        assert answer["item_ids"] == one.item_ids.tolist() and answer["scores"] == one.scores.tolist()
        equal += replayer.replay(answer).is_equal
    assert equal == REQUESTS
    kinds = [found[answer_id] for answer_id in wanted]
    assert {bool(one["rules_version"]) for one in kinds} == {True, False}
    assert {one["sampled"] for one in kinds} == {True, False} and len({one["filters"] for one in kinds}) == 3


def test_explain_shows_an_answer_with_its_reasons(pipeline: Pipeline) -> None:
    session = [(17, NOON - 60)]
    answer = Client(pipeline.settings).recommend(5, "mobile", NOON, k=4, recent=session)
    wait_until(lambda: answer.answer_id in records(pipeline.settings))
    done = CliRunner().invoke(app, ["explain", answer.answer_id])
    assert done.exit_code == 0, done.output
    assert "equal bit for bit" in done.output and "user_id: 5" in done.output and "device: mobile" in done.output
    assert "retrieved " in done.output
    assert all(f"{score:.4f}" in done.output for score in answer.scores)


def test_the_answer_of_a_probe_is_not_recorded(pipeline: Pipeline) -> None:
    client = Client(pipeline.settings)
    probe, later = client.probe(), client.recommend(5)
    assert len(probe) and probe.answer_id < later.answer_id
    wait_until(lambda: later.answer_id in records(pipeline.settings))
    assert probe.answer_id not in records(pipeline.settings)


def test_the_ensemble_has_no_memory(pipeline: Pipeline) -> None:
    assert Client(pipeline.settings, ENSEMBLE).recommend(5).answer_id == ""


def test_an_answer_whose_bundle_is_gone_is_explained(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Client(pipeline.settings).recommend(5)
    wait_until(lambda: answer.answer_id in records(pipeline.settings))
    monkeypatch.setattr("rec_assets.serving.promotion.catalog.known_bundles", lambda *_: [])
    done = CliRunner().invoke(app, ["explain", answer.answer_id])
    assert done.exit_code == 1
    assert f"Bundle {answer.bundle_id} of this answer is not stored any more" in done.output
