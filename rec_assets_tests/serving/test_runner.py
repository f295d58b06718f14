import numpy as np
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.realtime.user_activity import UserActivityStore
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import validate
from rec_assets.serving.graph.spec import STAGES, local_name, tensor
from rec_assets.serving.runner import answer, load_stages, needed, run
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect

NOON = 1_741_608_000
BATCH = {"user_id": [5, 9999, 7, 5], "device_type": [0, 1, -1, 2], "timestamp": [NOON, NOON, NOON + 40_000, NOON]}


def test_a_list_has_known_items_once_each_by_descending_score(
    stages_alone: dict[str, Stage], tiny_bundle: Bundle
) -> None:
    answer = run(stages_alone, {"user_id": [5]})
    assert answer["row_splits"].tolist() == [0, 10]
    assert len(set(answer["ordered_ids"].tolist())) == 10
    assert set(answer["ordered_ids"].tolist()) <= set(tiny_bundle.catalog()["item_id"].to_list())
    assert (np.diff(answer["ordered_scores"]) <= 0).all()
    assert ((answer["ordered_scores"] > 0) & (answer["ordered_scores"] < 1)).all()


def test_a_batch_returns_the_lists_of_single_requests(stages_alone: dict[str, Stage]) -> None:
    together = run(stages_alone, BATCH)
    splits = together["row_splits"]
    assert splits.tolist() == [0, 10, 20, 30, 40]
    for row in range(4):
        alone = run(stages_alone, {name: values[row : row + 1] for name, values in BATCH.items()})
        rows = slice(splits[row], splits[row + 1])
        np.testing.assert_array_equal(together["ordered_ids"][rows], alone["ordered_ids"])
        np.testing.assert_allclose(together["ordered_scores"][rows], alone["ordered_scores"], rtol=1e-5)


def test_stages_that_only_make_unread_inputs_are_left_out_of_an_answer(stages_alone: dict[str, Stage]) -> None:
    specs = needed(stages_alone)
    assert {spec.name for spec in STAGES} - {spec.name for spec in specs} == {"multimodal_embedding_lookup"}
    request = dict(validate({"user_id": [5, 7], "timestamp": [NOON, NOON]}))
    every, fewer = answer(stages_alone, request), answer(stages_alone, request, specs)
    for name, values in every.items():
        np.testing.assert_array_equal(fewer[name], values)


def test_the_context_changes_the_scores(stages_alone: dict[str, Stage]) -> None:
    mobile = run(stages_alone, {"user_id": [5], "device_type": [0], "timestamp": [NOON]})
    tablet = run(stages_alone, {"user_id": [5], "device_type": [2], "timestamp": [NOON]})
    assert not np.allclose(mobile["ordered_scores"], tablet["ordered_scores"])


def test_a_batch_of_users_with_histories_returns_the_lists_of_single_requests(
    tiny_bundle: Bundle, valkey: Settings
) -> None:
    rng = np.random.default_rng(0)
    users = rng.integers(1, 20, 300)
    items, times = 10 + 3 * rng.integers(0, 52, 300), NOON + rng.integers(-900_000, 40_000, 300)
    UserActivityStore.connect(valkey).recent_items.add_all(users, items, times)
    stages = load_stages(tiny_bundle, valkey.model_copy(update={"retrieval_topk": 20}))
    batch = {"user_id": np.arange(-1, 22), "timestamp": NOON + 1000 * np.arange(23)}
    together = run(stages, batch)
    rows = zip(together["row_splits"][:-1], together["row_splits"][1:], strict=True)
    for row, (start, end) in enumerate(rows):
        alone = run(stages, {name: values[row : row + 1] for name, values in batch.items()})
        np.testing.assert_array_equal(together["ordered_ids"][start:end], alone["ordered_ids"])
        np.testing.assert_allclose(together["ordered_scores"][start:end], alone["ordered_scores"], rtol=1e-4)


def test_an_interaction_changes_the_scores_from_the_next_second(tiny_bundle: Bundle, valkey: Settings) -> None:
    stages = load_stages(tiny_bundle, valkey)

    def scores(user: int, at: int) -> list[float]:
        return run(stages, {"user_id": [user], "timestamp": [at]})["ordered_scores"].tolist()

    before = [scores(5, NOON + seconds) for seconds in (-1, 0, 1)]
    UserActivityStore(connect(valkey), valkey.model_copy(update={"seen_filter": "nothing"})).record(
        5, [13, 40, 100], NOON
    )
    after = [scores(5, NOON + seconds) for seconds in (-1, 0, 1)]
    assert after[:2] == before[:2]
    assert after[2] != before[2]
    assert scores(6, NOON + 1) == before[2]


def test_seen_items_are_not_in_the_users_list(tiny_bundle: Bundle, valkey: Settings) -> None:
    stages = load_stages(tiny_bundle, valkey)
    before = run(stages, BATCH)
    seen = before["ordered_ids"][:20].tolist()
    assert before["row_splits"].tolist() == [0, 50, 100, 150, 200]
    UserActivityStore.connect(valkey).record(5, seen, NOON)
    after = run(stages, BATCH)
    assert not set(after["ordered_ids"][:30].tolist()) & set(seen)
    assert after["row_splits"].tolist() == [0, 30, 80, 130, 160]


def test_an_anonymous_user_with_a_session_gets_the_list_of_a_user_with_this_history(
    tiny_bundle: Bundle, valkey: Settings
) -> None:
    rng, activity, sessions = np.random.default_rng(1), UserActivityStore.connect(valkey), []
    for user in range(30, 34):
        pairs = [
            (int(item), NOON - int(age))
            for item, age in zip(10 + 3 * rng.integers(0, 50, 9), rng.integers(1, 9**6, 9), strict=True)
        ]
        for item, at in pairs:
            activity.record(user, [item], at)
        sessions.append(pairs)
    # The known users have no stored features, and the sessions are older than a day: no `top_category` for either.
    stages, times = load_stages(tiny_bundle, valkey), [NOON + 86_400] * 4
    known = run(stages, {"user_id": list(range(30, 34)), "timestamp": times})
    anonymous = run(stages, {"user_id": [-1] * 4, "timestamp": times, "recent": sessions})
    both = run(stages, {"user_id": list(range(30, 34)), "timestamp": times, "recent": sessions})
    for name, values in known.items():
        np.testing.assert_array_equal(anonymous[name], values)
        np.testing.assert_array_equal(both[name], values)
    without = run(stages, {"user_id": [-1] * 4, "timestamp": times})
    assert without["ordered_scores"].tolist() != anonymous["ordered_scores"].tolist()


def test_sessions_change_no_other_request_of_their_batch(stages_alone: dict[str, Stage]) -> None:
    recent = [[(-1, -1)], [(13, NOON - 5)], [(-1, -1)], [(16, NOON - 5)]]
    alone, together = run(stages_alone, BATCH), run(stages_alone, BATCH | {"recent": recent})
    splits = alone["row_splits"]
    for row in (0, 2):
        a, b = slice(splits[row], splits[row + 1]), slice(*together["row_splits"][row : row + 2])
        np.testing.assert_array_equal(together["ordered_ids"][b], alone["ordered_ids"][a])
    assert 13 not in together["ordered_ids"][slice(*together["row_splits"][1:3])]


def test_a_user_who_has_seen_everything_gets_an_empty_list(tiny_bundle: Bundle, valkey: Settings) -> None:
    stages = load_stages(tiny_bundle, valkey)
    UserActivityStore.connect(valkey).record(5, tiny_bundle.catalog()["item_id"].to_list(), NOON)
    assert len(run(stages, {"user_id": [5]})["ordered_ids"]) == 0
    assert run(stages, {"user_id": [5, 6]})["row_splits"].tolist() == [0, 0, 50]


def test_an_invalid_request_is_refused_before_any_stage() -> None:
    with pytest.raises(RequestError, match="user_id is required"):
        run({}, {"device_type": [1]})


def test_every_stage_makes_the_tensors_that_the_graph_declares(stages_alone: dict[str, Stage]) -> None:
    """Runs one request without row_splits stage by stage, as Triton's ensemble does."""
    tensors: Arrays = {"user_id": np.array([5], np.int32)}
    dtypes = {"INT32": np.int32, "INT64": np.int64, "FP32": np.float32, "BYTES": np.object_}
    for spec in STAGES:
        made = stages_alone[spec.name]({local_name(name): tensors[name] for name in spec.reads if name in tensors})
        for name in spec.makes:
            values, declared = made[local_name(name)], tensor(name)
            assert values.dtype == dtypes[declared.dtype], name
            assert values.shape[1:] == declared.dims, name
            tensors[name] = values
    whole = run(stages_alone, {"user_id": [5]})
    np.testing.assert_array_equal(tensors["ordered_ids"], whole["ordered_ids"])
