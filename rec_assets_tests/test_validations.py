"""Automates the manual validations of the system's description, on the real servers and without diversity."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store import online
from rec_assets.serving.client import Client
from rec_assets.serving.translation import Device
from rec_assets_tests.pipeline import Pipeline
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow

MIDNIGHT = 1_741_392_000  # after the pipeline's last day
EVENING, MORNING = MIDNIGHT + 20 * 3600, MIDNIGHT + 9 * 3600
KNOWN = range(21, 81)
ANONYMOUS = -1
K = 10
CLICKED, TIMES = 5, 6


@pytest.fixture
def client(pipeline: Pipeline) -> Client:
    return Client(pipeline.settings)


@pytest.fixture
def category_of(pipeline: Pipeline) -> dict[int, int]:
    bundle = Bundle.open(pipeline.artifact("model_bundle").path)
    return dict(bundle.catalog().select("item_id", "category_l1").iter_rows())


def ask(client: Client, user: int, device: Device, at: int) -> list[int]:
    return client.recommend(user, device, at, K, diversity=False).item_ids.tolist()


def in_common(a: Sequence[int], b: Sequence[int]) -> float:
    return len(set(a) & set(b)) / K


def test_an_anonymous_users_list_changes_with_device_and_time_and_a_known_users_less(client: Client) -> None:
    def kept(user: int) -> float:
        return in_common(ask(client, user, "mobile", EVENING), ask(client, user, "desktop", MORNING))

    assert ask(client, ANONYMOUS, "mobile", EVENING) != ask(client, ANONYMOUS, "desktop", EVENING)
    assert ask(client, ANONYMOUS, "mobile", EVENING) != ask(client, ANONYMOUS, "mobile", MORNING)
    assert kept(ANONYMOUS) < np.mean([kept(user) for user in KNOWN])
    evening, morning = ([ask(client, user, "mobile", moment) for user in KNOWN] for moment in (EVENING, MORNING))
    assert evening != morning, "the lists of known users also change"


def test_clicked_items_of_different_categories_are_omitted_from_the_next_list(
    client: Client, category_of: dict[int, int]
) -> None:
    user = 22
    shown = client.recommend(user, "desktop", MORNING, 20).item_ids.tolist()
    clicked = list({category_of[item]: item for item in shown}.values())[:3]
    assert len(clicked) > 1
    assert client.events.wait(client.record(user, clicked, MORNING), 5)
    again = client.recommend(user, "desktop", MORNING + 1, 20).item_ids.tolist()
    assert not set(clicked) & set(again)
    assert len(set(shown) & set(again)) > 5, "most other items stay"


# The ranker of this small shop keeps the retrieval order, which shows a user with a long history their own items first.
@pytest.mark.parametrize("user", [58, 61, 62, 900_000_001])
def test_repeated_clicks_in_one_category_move_it_from_nowhere_to_the_first_two(
    pipeline: Pipeline, client: Client, category_of: dict[int, int], user: int
) -> None:
    before = Counter(category_of[item] for item in ask(client, user, "desktop", MORNING))
    sizes = Counter(category_of.values())
    goal = max((category for category in sizes if not before[category]), key=lambda category: sizes[category])
    # Repeated clicks on few items of the category: clicked items are filtered, and other items must remain.
    clicked = [item for item, category in category_of.items() if category == goal][:CLICKED] * TIMES
    for number, item in enumerate(clicked):
        client.record(user, [item], MORNING + number)

    def first_categories() -> list[int]:
        counts = Counter(category_of[item] for item in ask(client, user, "desktop", MORNING + 60))
        return [category for category, _ in counts.most_common(2)]

    assert wait_until(lambda: goal in first_categories())
    store = online.open_store(pipeline.settings, online.BULK_TIMEOUT)
    wait_until(lambda: online.read_users(store, np.array([user])).columns["top_category"].tolist() == [goal])
