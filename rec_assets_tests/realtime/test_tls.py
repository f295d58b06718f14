"""A store with TLS and a password, as ElastiCache requires."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.features.store import online
from rec_assets.features.store.views import ITEM_VIEW
from rec_assets.realtime.stores.seen_items import SeenItems
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect, connect_for_requests, translate_redis_errors
from rec_assets_tests.features.test_online import DAY, write_features
from rec_assets_tests.tls import PASSWORD, UNCERTIFIED, running_tls_store


@pytest.fixture(scope="module", params=[False, True], ids=["one server", "cluster"])
def tls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running_tls_store(tmp_path_factory.mktemp("tls"), cluster=request.param) as settings:
        yield settings


def test_seen_items_are_written_and_read_by_tls(tls: Settings) -> None:
    SeenItems(connect(tls)).add(7, [1, 2], days=7)
    seen = SeenItems(connect_for_requests(tls))
    assert seen.contain(np.array([7]), np.array([1, 2, 3]), np.array([0, 3])).tolist() == [True, True, False]


def test_features_are_materialized_and_read_by_tls(tls: Settings, tmp_path: Path) -> None:
    online.apply(tls, *write_features(tmp_path, DAY))
    online.materialize(tls, DAY - timedelta(seconds=1), DAY, [ITEM_VIEW])
    items = online.read_items(online.open_store(tls), np.array([3, 6, 7]))
    assert items.known.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valkey_password": "wrong"}, "refuses the login.*REC_VALKEY_PASSWORD"),
        ({"valkey_password": ""}, "refuses the login.*REC_VALKEY_PASSWORD"),
        ({"valkey_tls": False}, "does not answer"),
        ({"valkey_ca": ""}, "does not answer.*certificate verify failed"),
        ({"valkey_host": UNCERTIFIED}, "does not answer.*certificate verify failed"),
    ],
)
def test_a_wrong_way_in_is_named(tls: Settings, change: dict[str, object], message: str) -> None:
    client = connect(tls.model_copy(update=change))
    with pytest.raises(ActionableError, match=f"(?s){message}"), translate_redis_errors(client):
        client.ping()


def test_the_password_is_in_no_dump_of_the_settings(tls: Settings) -> None:
    assert PASSWORD not in f"{tls!r} {tls} {tls.model_dump()} {tls.model_dump_json()}"
