"""Answers that are made again from their records are equal to the last bit, whatever they depended on."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store import online
from rec_assets.features.store.item_attributes import ItemAttributes, StoredItemAttributes
from rec_assets.realtime.answers.entries import answers_in
from rec_assets.realtime.answers.ids import new_ids
from rec_assets.realtime.answers.packing import pack
from rec_assets.realtime.answers.stream import Answer, AnswerStream
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.realtime.work_stream import Entry
from rec_assets.serving.answers.capture import is_chosen
from rec_assets.serving.answers.inputs import FIELDS, pack_inputs, unpack_inputs
from rec_assets.serving.answers.recorder import AnswerRecorder
from rec_assets.serving.answers.replay import Replayer
from rec_assets.serving.graph.request import validate
from rec_assets.serving.rules.rules import Rules
from rec_assets.serving.rules.store import CurrentRules, version_of
from rec_assets.serving.runner import load_stages, needed, tensors_of
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets_tests.serving.synthetic import write_features

NOON = 1_741_608_000
FILTERS = ["", "", '{"category_l1":[2]}', '{"max_price":30.0,"not_category_l2":[0]}', '{"items":[999999]}']
RULES = Rules[int].model_validate(
    {
        "boost": [{"name": "spring", "factor": 50.0, "items": [70, 73]}],
        "cap": [{"name": "variety", "at_most": 3, "each": "category_l1"}, {"name": "b", "at_most": 2, "each": "brand"}],
        "weigh": [{"name": "stock", "by": "stock", "values": [0, 90], "factors": [0.5, 2]}],
        "pin": [{"name": "hero", "item": 100, "position": 2}],
    }
)


def batch(rng: np.random.Generator, users: int) -> Arrays:
    """Returns a valid request of some users of all kinds, with answer ids."""
    session = np.stack([10 + 3 * rng.integers(0, 60, (users, 4)), NOON - rng.integers(0, 9**6, (users, 4))], axis=-1)
    session[rng.random(users) < 0.6] = -1
    request = {
        "user_id": rng.choice([*range(1, 21), -1, 0, 9999], users),
        "device_type": rng.integers(-1, 4, users),
        "timestamp": NOON + rng.integers(-90_000, 90_000, users),
        "top_k": rng.choice([-1, 1, 7], users),
        "diversity": rng.integers(-1, 2, users),
        "recent": session,
        "filters": rng.choice(np.array(FILTERS, np.object_), users),
    }
    ids = new_ids(users, time.time_ns() // 1_000_000)
    return dict(validate(request)) | {"answer_id": np.array([one.encode() for one in ids], np.object_)}


def recorded(recorder: AnswerRecorder, sent: list[Answer], tensors: Arrays) -> list[dict[str, Any]]:
    """Returns the records of a batch as the log has them."""
    sent.clear()
    recorder.record(tensors, np.full(len(tensors["user_id"]), True))
    recorder.send_waiting()
    entries = [{name.encode(): _bytes(value) for name, value in one.fields().items()} for one in sent]
    return answers_in(Entry("1-1", fields) for fields in entries).to_dicts()


def _bytes(value: str | int | bytes) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture
def stages(tiny_bundle: Bundle, valkey: Settings, tmp_path: Path) -> Mapping[str, Stage]:
    """Stages of users with histories and seen items, and with a store that has other prices of some items."""
    settings = valkey.model_copy(update={"ranking_topk": 10, "home": tmp_path, "retrieval_topk": 30})
    rng, activity = np.random.default_rng(1), UserActivityStore.connect(settings)
    for user in range(1, 16):
        items = rng.choice(tiny_bundle.catalog()["item_id"].to_numpy(), 12, replace=False)
        activity.record(user, items.tolist(), NOON - int(rng.integers(0, 9**6)))
    price = pl.when(pl.col("item_id") % 4 == 0).then(pl.col("price") * 3).otherwise("price")
    at = datetime(2025, 3, 1, tzinfo=UTC)
    online.apply(settings, *write_features(tiny_bundle, tmp_path, at, price))
    online.materialize(settings, datetime(2025, 2, 1, tzinfo=UTC), at)
    return load_stages(tiny_bundle, settings)


@pytest.mark.parametrize("has_rules", [False, True])
def test_every_answer_of_mixed_batches_is_made_again_bit_for_bit(
    stages: Mapping[str, Stage], tiny_bundle: Bundle, valkey: Settings, has_rules: bool
) -> None:
    if has_rules:
        CurrentRules(connect(valkey)).replace(RULES)
        facts = {"brand": pl.col("item_id") % 9, "stock": (pl.col("item_id") % 100).cast(pl.Float32)}
        StoredItemAttributes(connect(valkey)).replace(ItemAttributes.of(tiny_bundle.catalog().with_columns(**facts)))
        stages = load_stages(tiny_bundle, valkey.model_copy(update={"ranking_topk": 10, "retrieval_topk": 30}))
    sent: list[Answer] = []
    recorder, rng = AnswerRecorder(sent.extend), np.random.default_rng(0)
    replayer = Replayer(tiny_bundle, valkey, {version_of(RULES).hex(): RULES}.__getitem__)
    answers: list[dict[str, Any]] = []
    for users in (1, 2, 3, 16, 40):
        tensors = tensors_of(stages, batch(rng, users), needed(stages))
        made = recorded(recorder, sent, tensors)
        splits = tensors["row_splits"]
        assert [one["item_ids"] for one in made] == [
            tensors["ordered_ids"][begin:end].tolist() for begin, end in pairwise(splits)
        ]
        answers += made
    assert len(answers) == 62
    assert all(replayer.replay(answer).is_equal for answer in answers)
    assert {one["rules_version"] for one in answers} == {version_of(RULES).hex() if has_rules else ""}
    inputs = [unpack_inputs(one["inputs"]) for one in answers]
    assert any(len(one["recent"]) for one in inputs) and any(len(one["raw_user/recent_item_id"]) for one in inputs)
    assert {one["sampled"] for one in answers} == {True, False} and len({one["filters"] for one in answers}) > 3
    for name in ("brand", "stock"):
        assert all(len(one[name]) == (len(one["unseen/item_id"]) if has_rules else 0) for one in inputs)
    assert not any(len(one["margin"]) for one in inputs), "no rule reads it"
    if not has_rules:
        assert any(len(one["changed/item_id"]) for one in inputs)
        assert not all(len(one["changed/item_id"]) == len(one["unseen/item_id"]) for one in inputs)


@pytest.mark.parametrize("name", ["raw_user/age", "unseen/retrieval_score", "timestamp"])
def test_an_answer_with_other_inputs_is_not_equal(
    stages: Mapping[str, Stage], tiny_bundle: Bundle, valkey: Settings, name: str
) -> None:
    """Otherwise equality would prove nothing."""
    sent: list[Answer] = []
    request = dict(validate({"user_id": [5], "timestamp": [NOON]}))
    request["answer_id"] = np.array([new_ids(1, 1)[0].encode()], np.object_)
    (answer,) = recorded(AnswerRecorder(sent.extend), sent, tensors_of(stages, request, needed(stages)))
    replayer = Replayer(tiny_bundle, valkey, dict[str, Rules[int]]().__getitem__)
    assert replayer.replay(answer).is_equal
    if name == "timestamp":
        changed = answer | {"timestamp": NOON + 40_000}
    else:
        arrays = unpack_inputs(answer["inputs"])
        arrays[name] = arrays[name] + np.float32(1)
        changed = answer | {"inputs": pack_inputs(list(arrays.values()))}
    assert not replayer.replay(changed).is_equal


def test_inputs_of_the_release_before_brands_are_read() -> None:
    arrays = {
        name: np.arange(3, dtype=kind) for name, kind in FIELDS.items() if name not in ("brand", "margin", "stock")
    }
    read = unpack_inputs(pack([b"1", *(one.tobytes() for one in arrays.values())]))
    assert {name: values.tolist() for name, values in read.items()} == {
        name: [0, 1, 2] if name in arrays else [] for name in FIELDS
    }
    with pytest.raises(ValueError, match="version that this release reads"):
        unpack_inputs(pack([b"0", *(one.tobytes() for one in arrays.values())]))


def test_a_share_of_the_answers_is_recorded_and_always_the_same() -> None:
    ids = new_ids(4_000, 1)
    half = [answer_id for answer_id in ids if is_chosen(answer_id, 0.5)]
    assert 1_700 < len(half) < 2_300
    tenth = [answer_id for answer_id in ids if is_chosen(answer_id, 0.1)]
    assert set(tenth) < set(half)
    assert all(is_chosen(answer_id, 1.0) for answer_id in ids) and not any(is_chosen(one, 0.0) for one in ids)


def test_a_full_queue_and_an_absent_store_lose_answers_and_count_them(
    stages: Mapping[str, Stage], valkey: Settings
) -> None:
    tensors = tensors_of(stages, batch(np.random.default_rng(0), 4), needed(stages))
    wanted = np.array([True, True, False, True])  # the third is of a probe

    def fail(answers: object) -> None:
        raise ConnectionError("no store")

    broken = AnswerRecorder(fail, most_waiting=1)
    broken.record(tensors, wanted)
    broken.record(tensors, wanted)
    assert broken.lost == 3, "the queue is full"
    broken.send_waiting()
    assert broken.lost == 6
    off = AnswerRecorder(fail, share=0.0)
    off.record(tensors, wanted)
    off.send_waiting()
    assert off.lost == 0
    works = AnswerRecorder.of(valkey)
    works.record(tensors, wanted)
    works.send_waiting()
    assert works.lost == 0 and AnswerStream.connect(valkey).state().waiting == 3
