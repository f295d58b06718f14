"""Ids of a shop at the edges: texts outside, numbers inside, and codes that are newer than those in memory."""

import pytest

from rec_assets.realtime.events import EventError
from rec_assets.serving.client import Client
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.ids import CATEGORY_1, ITEM, LOOK_EVERY_S, UNKNOWN, USER, Id, Ids
from rec_assets.serving.translation import filter_numbers
from rec_assets.settings import Settings
from rec_assets_tests.codes import publish_codes


def test_texts_become_the_numbers_of_the_models_and_come_back(home: Settings) -> None:
    publish_codes(home, {USER: ["ann", "bob"], ITEM: ["0042", "42"], CATEGORY_1: ["tea"]})
    ids = Ids(home)
    for kind, texts in {USER: ["bob", "ann"], ITEM: ["42", "0042"], CATEGORY_1: ["tea"]}.items():
        assert [ids.text(kind, ids.number(kind, text)) for text in texts] == texts
    assert ids.number(USER, " bob ") == ids.number(USER, 1) == 1
    assert (ids.number(USER, "carl"), ids.text(ITEM, 7)) == (UNKNOWN, 7)


@pytest.mark.parametrize(("given", "number"), [("7", 7), (7, 7), ("-1", -1)])
def test_ids_that_are_numbers_stay_as_they_are(home: Settings, given: Id, number: int) -> None:
    ids = Ids(home)
    assert ids.number(ITEM, given) == ids.text(ITEM, number) == number
    with pytest.raises(RequestError, match="item id 'shoe' is not a number"):
        ids.number(ITEM, "shoe")


def test_an_id_that_came_later_is_found_after_a_while(home: Settings) -> None:
    now = 0.0
    ids = Ids(home, clock=lambda: now)
    publish_codes(home, {USER: ["ann"]})
    assert ids.number(USER, "bob") == UNKNOWN
    publish_codes(home, {USER: ["ann", "bob"]})
    assert ids.number(USER, "bob") == UNKNOWN
    now += LOOK_EVERY_S
    assert ids.number(USER, "bob") == 1


def test_events_of_texts_are_recorded_as_numbers_and_unknown_ones_refused(valkey: Settings, home: Settings) -> None:
    publish_codes(home, {USER: ["ann", "bob"], ITEM: ["A1", "B2"]})
    client = Client(valkey.model_copy(update={"home": home.home}))
    client.record("bob", ["A1", "B2"], at=5)
    client.forget("ann")
    sent = [{name.decode(): text.decode() for name, text in one.fields.items()} for one in client.events.after("0")]
    assert [(one["user_id"], one.get("item_id")) for one in sent] == [("1", "0"), ("1", "1"), ("0", None)]
    for user, item in (("carl", "A1"), ("bob", "C3")):
        with pytest.raises(EventError, match="is unknown"):
            client.record(user, [item])


def test_a_filter_of_unknown_items_contradicts_nothing_and_one_of_the_same_item_is_refused(home: Settings) -> None:
    publish_codes(home, {ITEM: ["boot", "lamp"]})
    ids = Ids(home)
    unknown = filter_numbers(ids, Filters[Id](items=["sofa", "boot"], not_items=["chair", "lamp"]))
    assert (unknown.items, unknown.not_items) == ([UNKNOWN, 0], [1])
    with pytest.raises(RequestError, match="not_items excludes all of items"):
        filter_numbers(ids, Filters[Id](items=["boot"], not_items=[0]))
