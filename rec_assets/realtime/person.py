"""All that Valkey, the offline log and the log of answers hold about a person: deletion and export, no artifacts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import polars as pl
import redis

from rec_assets.common.decimals import decimal, in_decimals
from rec_assets.common.errors import ActionableError
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import USER_VIEW
from rec_assets.realtime.answers.entries import answers_in
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.answers.schema import LISTS
from rec_assets.realtime.answers.stream import AnswerStream
from rec_assets.realtime.log.open_log import open_log
from rec_assets.realtime.stores.recent_items import RecentItems
from rec_assets.realtime.stores.retired_users import RetiredUsers
from rec_assets.realtime.stores.seen_items import SeenItems
from rec_assets.realtime.stores.user_activity import Activity, UserActivityStore
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.work_stream import Entry
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import Valkey, connect, nodes_of, translate_redis_errors

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Stored:
    """Data of a person that requests read.

    Attributes:
        features: values by name, None if unknown; None without stored features.
        history: raw item and unix second, newest first.
        deletion: "" for a person who was not deleted, "waiting" while stored rows are still to be deleted, else "done".
    """

    features: dict[str, Any] | None
    history: list[tuple[int, int]]
    deletion: Literal["", "waiting", "done"]


def stored(settings: Settings, user_id: int) -> Stored:
    """Returns what requests read about a person; raises ActionableError if Valkey does not answer."""
    client = connect(settings)
    with translate_redis_errors(client):
        retired, history = RetiredUsers(client), RecentItems(client).latest(user_id)
        is_retired = bool(retired.among([user_id]))
        return Stored(
            features=_features(settings, client, user_id),
            history=history,
            deletion="" if not is_retired else "waiting" if retired.is_waiting(user_id) else "done",
        )


def forget_at_once(settings: Settings, user_id: int) -> dict[str, int]:
    """Retires a person's number and deletes what requests read, in milliseconds.

    Workers drop later events of the number. `forget_online` and the artifacts are still to do, and
    `RetiredUsers.waiting` says so until then.

    Returns:
        The number of deleted keys by name.

    Raises:
        ActionableError: Valkey does not answer.
    """
    client = connect(settings)
    keys = (RecentItems.key(user_id), SeenItems.key(user_id), Activity.key(user_id))
    with translate_redis_errors(client):
        RetiredUsers(client).add(user_id)
        return {
            "features in Valkey": int(client.delete(OnlineReader(settings, USER_VIEW).key(user_id))),
            "history, seen filter and activity in Valkey": int(client.delete(*keys)),
        }


def forget_online(settings: Settings, user_id: int, text: str | None = None) -> dict[str, int]:
    """Deletes a person from Valkey and from both logs, while workers run or not.

    Retires the number first. So workers drop its events from then on, and nothing is written again. A repeated call
    deletes what is left.

    Args:
        settings: address of Valkey, and the home of the log.
        user_id: number of the person.
        text: the id as the shop writes it, which a dead letter may hold.

    Returns:
        The number of deleted things by name: keys, stream entries, dead letters, lines of the log, and answers.

    Raises:
        ActionableError: Valkey does not answer, or a worker has not applied its events after 30 s.
    """
    stream, client = EventStream.connect(settings), connect(settings)
    answers, names = AnswerStream.connect(settings), _names(user_id, text)
    with translate_redis_errors(client):
        RetiredUsers(client).add(user_id)
        # A worker may apply events and write answers that it took before.
        if not stream.wait_for_taken(PATIENCE_S) or not answers.wait_for_taken(PATIENCE_S):
            raise ActionableError(
                "A worker has not applied its events for 30 s.", "See `rec status`, then repeat this."
            )
        entries, dead, shown = stream.entries_of(names), stream.dead_letters_of(names), answers.entries_of(names)
        stream.delete(entries)
        stream.delete_dead_letters(dead)
        answers.delete(shown)
        deleted = {
            **forget_at_once(settings, user_id),
            "events in the stream": len(entries),
            "dead letters": len(dead),
            "lines of the offline log": open_log(settings).forget({user_id}),
            "answers in the stream": len(shown),
            "answers in their log": AnswerLog.of(settings).forget({user_id}),
        }
        for node in nodes_of(client):
            _rewrite_file(node)
    return deleted


def export_online(settings: Settings, user_id: int, text: str | None = None) -> dict[str, Any]:
    """Returns all that Valkey and both logs hold about a person, by origin; raises ActionableError.

    Arguments are those of `forget_online`.
    """
    stream, client = EventStream.connect(settings), connect(settings)
    names, activities = _names(user_id, text), UserActivityStore(client, settings)
    with translate_redis_errors(client):
        recent = activities.recent_items.latest(user_id)
        items = np.array([item for item, _ in recent], np.int64)
        splits = np.array([0, len(items)], np.int64)
        seen = activities.seen_items.contain(np.array([user_id]), items, splits) if len(items) else items
        activity = activities.activities([user_id])[user_id]
        log = open_log(settings)
        return {
            "valkey: features": _features(settings, client, user_id),
            "valkey: history": [{"item_id": item, "at": _time(at)} for item, at in recent],
            "valkey: items of the history in the seen filter": items[seen.astype(bool)].tolist(),
            "valkey: forgotten until": _time(activity.forgotten_until) if activity.forget_request else None,
            "valkey: events in the stream": [_fields(one) for one in stream.entries_of(names)],
            "valkey: dead letters": [_fields(one) for one in stream.dead_letters_of(names)],
            "offline log of the workers": [
                row for day in log.days() for row in in_decimals(log.read(day).filter(user_id=user_id))
            ],
            "valkey: answers in the stream": _lists(answers_in(AnswerStream.connect(settings).entries_of(names))),
            "log of answers": _lists(AnswerLog.of(settings).of_user(user_id)),
        }


def _features(settings: Settings, client: Valkey, user_id: int) -> dict[str, Any] | None:
    rows = OnlineReader(settings, USER_VIEW, client)(np.array([user_id]))
    values = {name: column[0] for name, column in rows.columns.items()}
    return {name: _number(value) for name, value in values.items()} if rows.known[0] else None


def _number(value: np.generic) -> float | int | None:
    """Returns a value of Feast as JSON has it; None for NaN."""
    if isinstance(value, np.float32):
        return None if np.isnan(value) else decimal(value)
    number: float | int = value.item()
    return None if number != number else number


def _lists(answers: pl.DataFrame) -> list[dict[str, Any]]:
    return in_decimals(answers.select(*LISTS))


def _names(user_id: int, text: str | None) -> set[str]:
    return {str(user_id), *([] if text is None else [text])}


def _fields(entry: Entry) -> dict[str, str]:
    return {"id": entry.id} | {
        name.decode(errors="replace"): value.decode(errors="replace") for name, value in entry.fields.items()
    }


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _rewrite_file(node: Valkey) -> None:
    """Writes the append-only file anew, because it still has the deleted keys; a managed Valkey may refuse it."""
    from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

    def is_busy() -> bool:
        state = node.info("persistence")
        return bool(state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])

    tries = Retrying(
        retry=retry_if_result(bool), stop=stop_after_delay(PATIENCE_S), wait=wait_fixed(0.05), retry_error_callback=bool
    )
    try:
        if node.info("persistence")["aof_enabled"]:
            tries(is_busy)  # a rewrite that began before the deletion
            node.bgrewriteaof()
            tries(is_busy)
    except redis.ResponseError:
        return
