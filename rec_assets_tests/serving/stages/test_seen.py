import numpy as np

from rec_assets.realtime.history import History
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.stages.seen import SeenFilter
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port

CANDIDATES = {
    "user_id": np.array([1, 2, 3], np.int32),
    "item_id": np.array([10, 13, 16, 10, 13, 19], np.int32),
    "retrieval_score": np.array([6, 5, 4, 3, 2, 1], np.float32),
    "row_splits": np.array([0, 3, 5, 6], np.int64),
}


def test_each_user_keeps_what_he_has_not_seen(tiny_bundle: Bundle, valkey: Settings) -> None:
    history = History.connect(valkey)
    history.record(1, [13], 0)
    history.record(2, [10, 13], 0)
    made = SeenFilter.load(tiny_bundle, valkey)(CANDIDATES)
    assert made["item_id"].tolist() == [10, 16, 19]
    assert made["retrieval_score"].tolist() == [6, 4, 1]
    assert made["row_splits"].tolist() == [0, 2, 2, 3]


def test_one_request_needs_no_row_splits(tiny_bundle: Bundle, valkey: Settings) -> None:
    History.connect(valkey).record(1, [13], 0)
    one = {"user_id": np.array([1], np.int32), "item_id": np.array([10, 13], np.int32)}
    made = SeenFilter.load(tiny_bundle, valkey)(one | {"retrieval_score": np.array([2, 1], np.float32)})
    assert made["item_id"].tolist() == [10]
    assert made["row_splits"].tolist() == [0, 1]


def test_where_nothing_is_filtered_nobody_is_asked(tiny_bundle: Bundle, valkey: Settings) -> None:
    History.connect(valkey).record(1, [13], 0)
    for settings in (valkey, Settings(valkey_port=free_port())):
        stage = SeenFilter.load(tiny_bundle, settings.model_copy(update={"seen_filter": "nothing"}))
        assert stage(CANDIDATES)["item_id"].tolist() == CANDIDATES["item_id"].tolist()
        assert stage.outage.missed_calls == 0


def test_everything_passes_while_the_store_is_away(tiny_bundle: Bundle) -> None:
    stage = SeenFilter.load(tiny_bundle, Settings(valkey_port=free_port()))
    for calls in (1, 2):
        made = stage(CANDIDATES)
        for name in ("item_id", "retrieval_score", "row_splits"):
            np.testing.assert_array_equal(made[name], CANDIDATES[name])
        assert stage.outage.missed_calls == calls
