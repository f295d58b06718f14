"""Tests the adapter and the ensemble on the real Triton."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from tritonclient import grpc
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from rec_assets.bundles.bundle import Bundle
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.serving.client import Client
from rec_assets.serving.runner import load_stages, run
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.model_repository import repository_path
from rec_assets.serving.triton.stage_model import settings_with
from rec_assets.settings import Settings
from rec_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("first")]

# Returns a setting and the sum of its inputs; x < 0 is invalid, x = 0 raises a KeyError.
TOY_MODEL = """
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.triton.stage_model import StageModel

class TritonPythonModel(StageModel):
    stage = "toy"

    def open_stage(self, version, settings):
        def stage(inputs):
            if inputs["x"][0] < 0:
                raise RequestError("x must not be negative")
            if inputs["x"][0] == 0:
                raise KeyError("a bug")
            return {"sum": sum(inputs.values()).astype("float64"), "topk": [settings.ranking_topk], "spare": [0]}
        return stage
"""
TOY_CONFIG = """
name: "toy" backend: "python" max_batch_size: 0
input [ { name: "x" data_type: TYPE_INT32 dims: 1 }, { name: "y" data_type: TYPE_INT32 dims: 1 optional: true } ]
output [ { name: "sum" data_type: TYPE_FP32 dims: 1 }, { name: "topk" data_type: TYPE_INT32 dims: 1 } ]
instance_group { count: 1 kind: KIND_CPU }
parameters { key: "RANKING_TOPK" value { string_value: "6" } }
parameters { key: "SOMETHING_OF_TRITONS" value { string_value: "x" } }
"""


@pytest.fixture(scope="module")
def toy(shop: Settings) -> Settings:
    folder = repository_path(shop) / "toy" / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(TOY_MODEL)
    (folder.parent / "config.pbtxt").write_text(TOY_CONFIG)
    server_control.load(shop, ["toy"])
    return shop


def infer(settings: Settings, model: str, inputs: Mapping[str, Sequence[int]]) -> grpc.InferResult:
    with grpc.InferenceServerClient(f"{settings.host}:{settings.triton_grpc_port}") as client:
        types = {one.name: one.datatype for one in client.get_model_metadata(model).inputs}
        tensors = []
        for name, values in inputs.items():
            tensors.append(grpc.InferInput(name, [len(values)], types.get(name, "INT32")))
            tensors[-1].set_data_from_numpy(np.array(values, triton_to_np_dtype(tensors[-1].datatype())))
        return client.infer(model, tensors, client_timeout=10)


@pytest.mark.parametrize(("inputs", "total"), [({"x": [2], "y": [3]}, 5), ({"x": [2]}, 2)])
def test_a_stage_gets_the_sent_inputs_and_its_answer_has_the_declared_types(
    toy: Settings, inputs: dict[str, list[int]], total: float
) -> None:
    answer = infer(toy, "toy", inputs)
    assert answer.as_numpy("sum").dtype == np.float32
    assert answer.as_numpy("sum").tolist() == [total]
    assert {output.name for output in answer.get_response().outputs} == {"sum", "topk"}


def test_parameters_of_the_configuration_override_settings_of_the_same_name(toy: Settings) -> None:
    assert infer(toy, "toy", {"x": [1]}).as_numpy("topk").tolist() == [6]


def test_invalid_input_is_refused_with_its_reason_and_no_path(toy: Settings) -> None:
    with pytest.raises(InferenceServerException) as caught:
        infer(toy, "toy", {"x": [-1]})
    assert "INVALID_ARGUMENT" in caught.value.status()
    assert caught.value.message().endswith("x must not be negative")
    assert "/" not in caught.value.message()


def test_an_unexpected_error_is_internal_for_the_client_and_a_traceback_in_the_log(toy: Settings) -> None:
    with pytest.raises(InferenceServerException) as caught:
        infer(toy, "toy", {"x": [0]})
    assert "INTERNAL" in caught.value.status()
    assert caught.value.message() == "toy failed with KeyError"
    log = toy.home / "logs" / "triton.log"
    assert wait_until(lambda: "KeyError: 'a bug'" in log.read_text()), "Triton writes the log in a separate thread"


def test_parameters_become_settings_of_the_right_type() -> None:
    changed = settings_with(Settings(), {"DIVERSITY_MODE": "true", "RETRIEVAL_TOPK": "5", "FORCE_CPU": "yes"})
    assert (changed.diversity_mode, changed.retrieval_topk) == (True, 5)


@pytest.mark.parametrize("context", [{}, {"device_type": [1]}, {"timestamp": [1741977000]}])
def test_device_and_time_are_optional_in_the_ensemble(shop: Settings, context: dict[str, list[int]]) -> None:
    assert len(infer(shop, "ensemble_model", {"user_id": [3]} | context).as_numpy("ordered_ids")) == 10


@pytest.mark.parametrize("inputs", [{"user_id": [1, 2]}, {"device_type": [1]}, {"user_id": [1], "timestamp": [-5]}])
def test_the_ensemble_refuses_invalid_requests(shop: Settings, inputs: dict[str, list[int]]) -> None:
    with pytest.raises(InferenceServerException) as caught:
        infer(shop, "ensemble_model", inputs)
    assert str(shop.home) not in caught.value.message()


def test_a_new_interaction_changes_the_users_next_list(shop: Settings, shop_bundle: Bundle) -> None:
    """Compares the new list with that of one process, because the history changes tower, retrieval and ranker."""
    user, at = 11, 1741977000
    client, stages = Client(shop), load_stages(shop_bundle, shop)
    before = client.recommend(user, "mobile", at)
    history = UserActivityStore.connect(shop.model_copy(update={"seen_filter": "nothing"}))
    history.record(user, [10, 100, 157], at)
    same_moment, second_later = (client.recommend(user, "mobile", at + seconds) for seconds in (0, 1))
    np.testing.assert_array_equal(same_moment.scores, before.scores)
    assert second_later.item_ids.tolist() != before.item_ids.tolist()
    alone = run(stages, {"user_id": [user], "device_type": [0], "timestamp": [at + 1]})
    assert second_later.item_ids.tolist() == alone["ordered_ids"].tolist()
    np.testing.assert_array_equal(second_later.scores, alone["ordered_scores"])


def test_a_user_who_has_seen_everything_gets_an_empty_list(shop: Settings, shop_bundle: Bundle) -> None:
    history = UserActivityStore.connect(shop)
    history.record(12, shop_bundle.catalog()["item_id"].to_list(), 1741977000)
    assert len(Client(shop).recommend(12)) == 0


@pytest.mark.parametrize("user", [1, 20, 999_999, -1])
def test_the_ensemble_returns_the_ids_and_scores_of_the_graph_in_one_process(
    shop: Settings, shop_bundle: Bundle, user: int
) -> None:
    answer = Client(shop).recommend(user, "mobile", 1741977000)
    alone = run(load_stages(shop_bundle, shop), {"user_id": [user], "device_type": [0], "timestamp": [1741977000]})
    assert answer.item_ids.tolist() == alone["ordered_ids"].tolist()
    np.testing.assert_array_equal(answer.scores, alone["ordered_scores"])
    assert answer.bundle_id == shop_bundle.bundle_id
