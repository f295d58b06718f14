"""Compares one process for the whole graph with one process per stage, on the real Triton."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import urlopen

import numpy as np
import numpy.typing as npt
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from rec_assets.bundles.bundle import Bundle
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.serving.client import Client
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.ids import Id
from rec_assets.serving.recommendations import Recommendations
from rec_assets.serving.runner import load_stages, run
from rec_assets.serving.stages.base import Arrays
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER, TOPOLOGIES, shape_of_one
from rec_assets.settings import Settings

pytestmark = pytest.mark.slow

NOON = 1_741_608_000
REQUESTS = 600
FILTERS: list[Filters[Id]] = [
    Filters(category_l1=[2]),
    Filters(not_category_l2=[0, 1], max_price=30.0),
    Filters(items=[10, 13], new_to_user=True),
    Filters(items=[999_999]),  # an unknown item
]
Request = dict[str, Any]


@pytest.fixture(scope="module")
def busy_shop(shop: Settings, shop_bundle: Bundle) -> Iterator[Settings]:
    """Gives the shop's users histories of all lengths; some users have seen many items, one user all items."""
    rng, history = np.random.default_rng(0), UserActivityStore.connect(shop)
    items = shop_bundle.catalog()["item_id"].to_numpy()
    users = np.arange(31, 61)
    for user in users.tolist():
        clicked = rng.choice(items, rng.integers(0, 450))
        times = NOON - rng.integers(-50_000, 2_000_000, len(clicked))
        history.recent_items.add_all(np.full(len(clicked), user), clicked, times)
        if user % 3 == 0:
            history.record(user, rng.choice(items, rng.integers(1, 45), replace=False).tolist(), NOON)
    history.record(60, items.tolist(), NOON)
    yield shop
    for user in users.tolist():
        history.forget(user, "1-0", NOON)


def draw(rng: np.random.Generator) -> Request:
    """Returns a random request: any kind of user, device, time and list length, also unusual ones."""
    request: Request = {"user_id": int(rng.choice([*range(1, 21), *range(31, 61), -1, 0, 9999, 2**31 - 1, -(2**31)]))}
    if rng.random() < 0.8:
        request["device_type"] = int(rng.choice([-1, 0, 1, 2, 7, 2**31 - 1, -(2**31)]))
    request["timestamp"] = int(rng.choice([1, NOON, NOON + 40_000, NOON - 900_000, 2**31 - 1]))
    if rng.random() < 0.3:
        request["top_k"] = int(rng.integers(1, 11))
    if rng.random() < 0.3:
        times = rng.integers(NOON - 900_000, NOON, 5).tolist()
        request["recent"] = list(zip((10 + 3 * rng.integers(0, 52, 5)).tolist(), times, strict=True))
    if rng.random() < 0.3:
        request["filters"] = FILTERS[int(rng.integers(len(FILTERS)))]
    return request


def infer(settings: Settings, model: str, inputs: Arrays) -> grpc.InferResult:
    """Sends inputs to a model without validation."""
    dtypes = {np.dtype(np.int32): "INT32", np.dtype(np.int64): "INT64", np.dtype(np.float32): "FP32"}
    tensors = []
    for name, values in inputs.items():
        shaped = values if shape_of_one(model) == [1] else values.reshape(-1, 1)
        tensors.append(grpc.InferInput(name, list(shaped.shape), dtypes[shaped.dtype]))
        tensors[-1].set_data_from_numpy(shaped)
    with grpc.InferenceServerClient(f"{settings.host}:{settings.triton_grpc_port}") as client:
        return client.infer(model, tensors, client_timeout=10)


def recommend(client: Client, request: Request) -> Recommendations:
    return client.recommend(
        request["user_id"],
        request.get("device_type"),
        request["timestamp"],
        k=request.get("top_k"),
        recent=request.get("recent", ()),
        filters=request.get("filters"),
    )


def recommend_all(settings: Settings, model: str, requests: Sequence[Request], at_once: int) -> list[Recommendations]:
    client = Client(settings, model)
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(lambda request: recommend(client, request), requests))


def assert_same(answers: Sequence[Recommendations], others: Sequence[Recommendations]) -> None:
    for answer, other in zip(answers, others, strict=True):
        np.testing.assert_array_equal(answer.item_ids, other.item_ids)
        # A matrix product over a batch sums in another order than a product over one row.
        np.testing.assert_allclose(answer.scores, other.scores, rtol=1e-5, atol=1e-6)
        assert answer.bundle_id == other.bundle_id


def executions(settings: Settings) -> tuple[float, float]:
    """Returns the number of requests that the whole graph answered, and the number of batches."""
    with urlopen(f"http://{settings.host}:{settings.triton_metrics_port}/metrics") as page:
        samples = [one for family in text_string_to_metric_families(page.read().decode()) for one in family.samples]
    graph_runner = [one for one in samples if one.labels.get("model") == "graph_runner"]  # all loaded versions
    requests, batches = (
        sum(one.value for one in graph_runner if one.name == f"nv_inference_{name}_total")
        for name in ("count", "exec_count")
    )
    return requests, batches


def test_both_topologies_return_the_same_ids_and_scores(busy_shop: Settings) -> None:
    rng = np.random.default_rng(1)
    requests = [draw(rng) for _ in range(REQUESTS)]
    staged = recommend_all(busy_shop, ENSEMBLE, requests, at_once=2)
    assert_same(recommend_all(busy_shop, RECOMMENDER, requests, at_once=1), staged)
    before, batches_before = executions(busy_shop)
    assert_same(recommend_all(busy_shop, RECOMMENDER, requests, at_once=16), staged)
    after, batches_after = executions(busy_shop)
    assert after - before == REQUESTS
    assert batches_after - batches_before < 0.7 * REQUESTS, "simultaneous requests must be answered in batches"
    assert len({len(answer) for answer in staged}) > 8
    assert len({tuple(answer.item_ids) for answer in staged}) > REQUESTS / 4


def test_a_request_for_several_users_gets_the_list_of_each(busy_shop: Settings, shop_bundle: Bundle) -> None:
    users = ints(5, 60, 33, -1)
    times = np.full(4, NOON)
    answer = infer(busy_shop, RECOMMENDER, {"user_id": users, "timestamp": times})
    client = Client(busy_shop)
    alone = [client.recommend(user, None, NOON) for user in users.tolist()]
    for ids, scores, expected in zip(
        answer.as_numpy("ordered_ids"), answer.as_numpy("ordered_scores"), alone, strict=True
    ):
        np.testing.assert_array_equal(ids[: len(expected)], expected.item_ids)
        np.testing.assert_allclose(scores[: len(expected)], expected.scores, rtol=1e-5)
        assert (ids[len(expected) :] == -1).all() and (scores[len(expected) :] == 0).all()
    assert [len(one) for one in alone] == [10, 0, 10, 10]
    assert answer.as_numpy("bundle_id").tolist() == [[shop_bundle.bundle_id.encode()]] * 4


@pytest.mark.parametrize("model", TOPOLOGIES)
def test_a_request_may_set_list_length_and_diversity(shop: Settings, model: str) -> None:
    client = Client(shop, model)
    whole = client.recommend(7, "desktop", NOON)
    assert client.recommend(7, "desktop", NOON, k=4).item_ids.tolist() == whole.item_ids[:4].tolist()
    drawn = [client.recommend(7, "desktop", NOON, diversity=True).item_ids.tolist() for _ in range(5)]
    assert len(set(map(tuple, drawn))) > 1 and all(len(set(one)) == 10 for one in drawn)
    assert client.recommend(7, "desktop", NOON, diversity=False).item_ids.tolist() == whole.item_ids.tolist()
    with pytest.raises(RequestError, match=r"^top_k must be 1 to 10$"):
        client.recommend(7, k=11)


def ints(*values: int) -> npt.NDArray[np.int64]:
    return np.array(values, np.int64)


BAD: dict[str, tuple[Arrays, str]] = {
    "no user": ({"device_type": ints(1)}, "user_id is required"),
    "a number with a fraction": ({"user_id": np.array([1.5], np.float32)}, "data-type is 'FP32'"),
    "not a number": ({"user_id": np.array([np.nan], np.float32)}, "data-type is 'FP32'"),
    "a user in 32 bits": ({"user_id": np.array([1], np.int32)}, "data-type is 'INT32'"),
    "a user beyond 32 bits": ({"user_id": ints(2**32 + 5)}, "user_id must fit 32 bits"),
    "a user below 32 bits": ({"user_id": ints(5 - 2**32)}, "user_id must fit 32 bits"),
    "a time beyond 32 bits": ({"user_id": ints(1), "timestamp": ints(2**40)}, "timestamp must fit 32 bits"),
    "a device beyond 32 bits": ({"user_id": ints(1), "device_type": ints(2**32 + 1)}, "device_type must fit 32 bits"),
    "a length beyond 32 bits": ({"user_id": ints(1), "top_k": ints(2**32 + 1)}, "top_k must fit 32 bits"),
    "a time before 1970": ({"user_id": ints(1), "timestamp": ints(-5)}, "timestamp must not be negative"),
    "10,000 users": ({"user_id": np.arange(10_000)}, "batch-size must be <= 64|Expected .1., got"),
    "an empty list wanted": ({"user_id": ints(1), "top_k": ints(0)}, "top_k must be positive"),
    "too much wanted": ({"user_id": ints(1), "top_k": ints(10_000)}, "top_k must be 1 to 10"),
    "half diverse": ({"user_id": ints(1), "diversity": ints(2)}, "diversity must be 0 or 1"),
    "more devices than users": ({"user_id": ints(1), "device_type": ints(1, 2)}, "does not match|Expected .1., got"),
    "an unknown input": ({"user_id": ints(1), "age": ints(30)}, "unexpected inference input 'age'"),
}


@pytest.mark.parametrize("model", TOPOLOGIES)
@pytest.mark.parametrize("case", BAD)
def test_an_invalid_request_is_refused_with_its_reason_and_no_path(shop: Settings, model: str, case: str) -> None:
    inputs, reason = BAD[case]
    with pytest.raises(InferenceServerException, match=reason) as caught:
        infer(shop, model, inputs)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert "/" not in caught.value.message() and "Traceback" not in caught.value.message()


def test_an_invalid_request_does_not_affect_the_others_of_its_batch(shop: Settings) -> None:
    client = Client(shop)
    expected = client.recommend(5, "mobile", NOON).item_ids.tolist()

    def one(number: int) -> object:
        try:
            return client.recommend(5, "mobile", NOON, k=10 if number % 2 else 99).item_ids.tolist()
        except RequestError as error:
            return str(error)

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(one, range(200)))
    assert answers == ["top_k must be 1 to 10", expected] * 100


def test_a_batch_in_triton_equals_a_batch_of_the_graph_in_one_process(shop: Settings, shop_bundle: Bundle) -> None:
    users = np.arange(1, 33)
    times = np.full(32, NOON)
    answer = infer(shop, RECOMMENDER, {"user_id": users, "timestamp": times})
    alone = run(load_stages(shop_bundle, shop), {"user_id": users, "timestamp": times})
    np.testing.assert_array_equal(answer.as_numpy("ordered_ids").ravel(), alone["ordered_ids"])
    np.testing.assert_array_equal(answer.as_numpy("ordered_scores").ravel(), alone["ordered_scores"])
