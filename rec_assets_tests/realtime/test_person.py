"""A deleted person leaves nothing in Valkey, in its file and in the offline log, and workers drop later events."""

import json
from pathlib import Path

from rec_assets.realtime.answers.drain import AnswerDrain
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.answers.stream import AnswerStream
from rec_assets.realtime.events import Event
from rec_assets.realtime.log.behavior_log import BehaviorLog
from rec_assets.realtime.person import Stored, export_online, forget_at_once, forget_online, stored
from rec_assets.realtime.stores.retired_users import RetiredUsers
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.worker import Worker
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets.storage.valkey.keys import DEAD_LETTERS
from rec_assets_tests.realtime.answers.made import answer_for
from rec_assets_tests.realtime.conftest import MORNING

PERSON, OTHER, DAY = 37, 12, "2025-03-15"


def report(settings: Settings, user: int, *items: int) -> None:
    EventStream.connect(settings).send([Event(user_id=user, item_id=item, at=MORNING) for item in items])


def show(settings: Settings, *users: int) -> None:
    """Sends an answer for each user, as the graph does."""
    AnswerStream.connect(settings).send([answer_for(user) for user in users])


def dump(settings: Settings) -> dict[bytes, bytes]:
    """Returns every key with its content."""
    client = connect(settings)
    return {key: client.dump(key) or b"" for key in client.scan_iter()}


def test_nothing_of_a_person_is_left(store: Settings, valkey_server: Settings) -> None:
    worker, stream = Worker(store), EventStream.connect(store)
    report(store, PERSON, 3, 4)
    report(store, OTHER, 3)
    assert worker.round() == 3
    report(store, PERSON, 5)  # not applied yet
    connect(store).xadd(DEAD_LETTERS, {"user_id": PERSON, "reason": "x"})
    show(store, PERSON, OTHER)
    drain = AnswerDrain(store, "writer")
    assert drain.round() == 2
    show(store, PERSON)  # not written yet
    known = export_online(store, PERSON)
    assert [one["item_ids"] for one in known["log of answers"]] == [[10, 13]]
    assert len(known["valkey: answers in the stream"]) == 1
    assert [one["item_id"] for one in known["valkey: history"]] == [4, 3]
    assert known["valkey: items of the history in the seen filter"] == [4, 3]
    assert known["valkey: features"]["age"] == 57
    assert len(known["valkey: events in the stream"]) == 3
    assert len(known["offline log of the workers"]) == 2
    assert json.dumps(known)

    deleted = forget_online(store, PERSON)
    assert deleted == {
        "features in Valkey": 1,
        "history, seen filter and activity in Valkey": 3,
        "events in the stream": 3,
        "dead letters": 1,
        "lines of the offline log": 2,
        "answers in the stream": 1,
        "answers in their log": 1,
    }
    empty = export_online(store, PERSON)
    assert not any(empty.values())
    assert [key for key in dump(store) if f":{{{PERSON}}}".encode() in key] == []
    files = list((valkey_server.home / "valkey").rglob("*"))
    texts = [file.read_bytes() for file in files if file.is_file()]
    assert files
    assert not any(f"user:{{{PERSON}}}:".encode() in text for text in texts)
    assert any(f"user:{{{OTHER}}}:".encode() in text for text in texts)

    report(store, PERSON, 6)  # a client that does not know
    show(store, PERSON)
    worker.round()
    drain.round()
    assert AnswerStream.connect(store).state().waiting == 0
    assert not any(export_online(store, PERSON).values())
    assert stream.state().taken == stream.state().dead == 0
    assert len(export_online(store, OTHER)["valkey: history"]) == 1
    assert BehaviorLog.of(store).read(DAY)["user_id"].to_list() == [OTHER]
    answers = AnswerLog.of(store)
    assert [user for day in answers.days() for user in answers.read(day)["user_id"]] == [OTHER]
    assert not any(forget_online(store, PERSON).values())


def test_the_log_keeps_the_lines_of_others(tmp_path: Path) -> None:
    folder = tmp_path / "behavior" / DAY
    folder.mkdir(parents=True)
    line = '{"user_id":%d,"item_id":1,"device_type":1,"timestamp":1742032800,"kind":"clicked","top_category":-1}\n'
    (folder / "one.jsonl").write_text(line % 1 + line % 11 + '{"user_id":1,"item')
    assert BehaviorLog(tmp_path / "behavior").forget({1}) == 2
    assert (folder / "one.jsonl").read_text() == line % 11


def test_what_requests_read_is_gone_at_once_and_the_rest_waits(store: Settings) -> None:
    worker, retired = Worker(store), RetiredUsers(connect(store))
    report(store, PERSON, 3, 4)
    worker.round()
    known = stored(store, PERSON)
    assert known.features is not None and known.features["age"] == 57
    assert [item for item, _ in known.history] == [4, 3]
    assert known.deletion == ""
    assert sum(forget_at_once(store, PERSON).values()) == 4
    assert stored(store, PERSON) == Stored(None, [], "waiting")
    report(store, PERSON, 5)
    worker.round()
    assert stored(store, PERSON).history == []
    assert retired.waiting() == [PERSON]
    forget_online(store, PERSON)
    retired.finish(PERSON)
    assert stored(store, PERSON).deletion == "done"
    assert stored(store, OTHER).deletion == ""
    assert retired.waiting() == []
