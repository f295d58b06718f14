"""Tests answers of the real server, and their metrics, while the real Valkey is stopped, slow, back again, or empty."""

import itertools
import shutil
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import polars as pl
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli.local.valkey import Valkey
from rec_assets.features.store import online
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.serving.client import Client
from rec_assets.serving.graph.request import DEVICE_TYPES
from rec_assets.serving.runner import load_stages, run
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.serving.stages.base import guards_of
from rec_assets.serving.triton import model_repository
from rec_assets.serving.triton.model_config import TOPOLOGIES
from rec_assets.serving.triton.stage_model import DEGRADED
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets_tests.serving.synthetic import write_features
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow

NOON = 1_741_608_000
USER, ANONYMOUS_USER = 5, 424_242
FOLLOWED = {"item_features", "unavailable_items"}  # read by threads beside the stages, not for each answer
STORES = {"users", "seen_items", *FOLLOWED}
ANSWERS = 100
ROUND = 4  # requests in a row; Triton uses a model's processes in turn, and a model has fewer processes
DAYS = itertools.count(1)
List = list[tuple[int, float]]


@pytest.fixture(params=TOPOLOGIES)
def client(request: pytest.FixtureRequest, shop: Settings) -> Client:
    return Client(shop, request.param)


@pytest.fixture(scope="module", autouse=True)
def prices_of_the_bundle_afterwards(
    shop: Settings, shop_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Gives the servers, which other files share, their prices back: they keep the last ones of an emptied store."""
    yield
    write_items(shop, shop_bundle, tmp_path_factory.mktemp("prices"), pl.col("price"))
    for topology in TOPOLOGIES:
        settled(Client(shop, topology), shop)
    connect(shop).flushall()


@pytest.fixture
def filled(shop: Settings, shop_bundle: Bundle, tmp_path: Path) -> Iterator[Settings]:
    """Fills the shop's Valkey with the features, history and seen items of one user; empties it afterwards."""
    fill(shop, shop_bundle, tmp_path)
    yield shop
    Valkey(shop).start()
    connect(shop).flushall()


def fill(shop: Settings, bundle: Bundle, folder: Path) -> None:
    write_items(shop, bundle, folder, pl.col("price") * 3)
    UserActivityStore.connect(shop).record(USER, [10, 13, 16], NOON - 3600)


def write_items(shop: Settings, bundle: Bundle, folder: Path, price: pl.Expr) -> None:
    at = datetime(2025, 3, 1, tzinfo=UTC) + timedelta(days=next(DAYS))
    online.apply(shop, *write_features(bundle, folder, at, price))
    online.materialize(shop, at - timedelta(days=1), at)


def recommend(client: Client, user: int = USER) -> List:
    return list(client.recommend(user, "mobile", NOON))


def degraded(settings: Settings) -> dict[str, float]:
    """Returns the number of answers without each store so far, over all models."""
    with urlopen(f"http://{settings.host}:{settings.triton_metrics_port}/metrics") as page:
        samples = [one for family in text_string_to_metric_families(page.read().decode()) for one in family.samples]
    counts: defaultdict[str, float] = defaultdict(float)
    for one in samples:
        if one.name == DEGRADED:
            counts[one.labels["store"]] += one.value
    return counts


def until_recovered(client: Client, shop: Settings) -> None:
    """Waits until each process answers with all stores."""
    wait_until(lambda: not growth(shop, lambda: [recommend(client) for _ in range(ROUND)]))


def settled(client: Client, shop: Settings) -> List:
    """Waits until each process has read the current content of all stores; returns the list."""
    until_recovered(client, shop)
    bundle = Bundle.open(model_repository.bundle_path(model_repository.repository_path(shop), 1))
    answer: Any = wait_until(lambda: answer_with_all_stores(load_stages(bundle, shop)))
    expected = dict(zip(answer["ordered_ids"].tolist(), answer["ordered_scores"].tolist(), strict=True))
    # Scores too: a changed price may leave the order as it was.
    wait_until(lambda: all(dict(recommend(client)) == pytest.approx(expected, rel=1e-4) for _ in range(ROUND)))
    return recommend(client)


def answer_with_all_stores(stages: dict[str, Stage]) -> Arrays | None:
    """Returns the answer in this process; None if a store was skipped, because its calls failed shortly before."""
    answer = run(stages, {"user_id": [USER], "device_type": [DEVICE_TYPES["mobile"]], "timestamp": [NOON]})
    return None if any(guard.is_away for stage in stages.values() for guard in guards_of(stage)) else answer


def growth(shop: Settings, work: Callable[[], object]) -> set[str]:
    """Returns the stores that were unavailable for an answer during some work."""
    before = degraded(shop)
    work()
    after = degraded(shop)
    return {store for store in STORES if after[store] > before[store]}


def test_during_an_outage_users_get_the_list_of_an_anonymous_user_and_afterwards_their_own(
    client: Client, filled: Settings
) -> None:
    whole = settled(client, filled)
    assert not {10, 13, 16} & {item for item, _ in whole}
    Valkey(filled).stop()
    anonymous = recommend(client, ANONYMOUS_USER)
    assert growth(filled, lambda: [recommend(client) for _ in range(20)]) >= STORES - FOLLOWED
    assert recommend(client) == anonymous and len(anonymous) == 10
    before = degraded(filled)
    wait_until(lambda: recommend(client) and all(degraded(filled)[store] > before[store] for store in FOLLOWED))
    Valkey(filled).start()
    until_recovered(client, filled)
    assert recommend(client) == whole


def test_a_store_that_hangs_is_not_called_for_each_answer(client: Client, filled: Settings) -> None:
    whole, store = settled(client, filled), connect(filled)
    connections = store.info("stats")["total_connections_received"]
    process = psutil.Process(Valkey(filled).status().pid)
    process.send_signal(signal.SIGSTOP)
    try:
        answers = [recommend(client) for _ in range(ANSWERS)]
        assert len({tuple(one) for one in answers[1:]}) == 1 and len(answers[-1]) == 10
    finally:
        process.send_signal(signal.SIGCONT)
    # A call that ran into its time limit closed its connection, so the next call opened another one.
    assert store.info("stats")["total_connections_received"] - connections < ANSWERS, "one of the stores per answer"
    until_recovered(client, filled)
    assert recommend(client) == whole


def test_an_empty_store_gives_users_the_list_of_an_anonymous_user_until_it_is_filled(
    client: Client, filled: Settings, shop_bundle: Bundle, tmp_path: Path
) -> None:
    whole = settled(client, filled)
    Valkey(filled).stop()
    shutil.rmtree(filled.home / "valkey")
    Valkey(filled).start()
    until_recovered(client, filled)
    assert recommend(client) == recommend(client, ANONYMOUS_USER) != whole
    fill(filled, shop_bundle, tmp_path)
    assert settled(client, filled) == whole


def test_a_changed_item_is_in_the_answers_within_seconds_and_none_is_lost(
    client: Client, filled: Settings, shop_bundle: Bundle, tmp_path: Path
) -> None:
    before = settled(client, filled)
    write_items(filled, shop_bundle, tmp_path, pl.lit(0.01))
    lists: list[List] = []

    def changed() -> bool:
        lists.append(recommend(client))
        return len(lists) >= ROUND and before not in lists[-ROUND:]

    wait_until(changed)
    after = lists[-1]
    assert len(after) == 10 and all(one in (before, after) for one in lists)
    assert recommend(client) == after
