"""A user's doings, recorded everywhere they matter at once, and forgotten when he asks for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import attrgetter

from rec_assets.realtime.events import Event, Kind
from rec_assets.realtime.recent_items import RecentItems
from rec_assets.realtime.seen_items import SeenItems
from rec_assets.settings import Settings
from rec_assets.storage.valkey import Valkey, connect, translate_redis_errors


@dataclass(frozen=True)
class Activity:
    """State of a user beside the interactions, in the hash `user:{user_id}:activity`.

    Attributes:
        version: changes with the user's history and with a forget request.
        forget_request: stream entry of the latest forget request; interactions before it are no longer filtered.
        forgotten_until: unix seconds of the last interaction before that request; up to it none counts for
            `top_category`.
    """

    version: int = 0
    forget_request: str = ""
    forgotten_until: int = 0

    @staticmethod
    def key(user_id: int) -> str:
        """Returns the key of a user's hash."""
        return f"user:{user_id}:activity"

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> "Activity":
        """Reads the values of `FIELDS`."""
        version, flushed, at = values
        return cls(int(version or 0), (flushed or b"").decode(), int(at or 0))


FIELDS = ("version", "flushed", "flushed_at")


class UserActivityStore:
    """Seen and recent items of users; both live in one database, so that each change is one transaction."""

    def __init__(self, client: Valkey, settings: Settings) -> None:
        """Takes a client of db 1, and what is to be filtered, for how long."""
        self.seen_items = SeenItems(client)
        self.recent_items = RecentItems(client)
        self._client = client
        self._settings = settings

    @classmethod
    def connect(cls, settings: Settings) -> "UserActivityStore":
        """Returns the history in the settings' Valkey; connects at the first use."""
        return cls(connect(settings, SeenItems.DB), settings)

    def record(self, user_id: int, item_ids: Sequence[int], at: int, kind: Kind = "clicked") -> None:
        """Records that a user chose items at a unix time; recording it again changes nothing.

        They become his history, and are filtered where `seen_filter` says so.

        Raises:
            ActionableError: Valkey is away, or has no Bloom filters.
        """
        with translate_redis_errors(self._client):
            self.record_all([Event(user_id=user_id, item_id=item, at=at, kind=kind) for item in item_ids])

    def record_all(self, events: Sequence[Event]) -> dict[int, Activity]:
        """Records what users chose, as `record` does, all in one transaction; raises what Redis raises.

        Returns:
            For each user his activity after it.
        """
        if not events:
            return {}
        users = sorted({event.user_id for event in events})
        with self._client.pipeline(transaction=True) as pipeline:
            for user, mine in groupby(sorted(events, key=attrgetter("user_id")), attrgetter("user_id")):
                chosen = list(mine)
                RecentItems(pipeline).add_each(user, [(event.item_id or 0, event.at) for event in chosen])
                self._filter(pipeline, user, chosen)
                self._changed(pipeline, user)
            for user in users:
                pipeline.hmget(Activity.key(user), FIELDS)
            answers = pipeline.execute()[-len(users) :]
        return {user: Activity.of(answer) for user, answer in zip(users, answers, strict=True)}

    def forget(self, user_id: int, entry_id: str, last: int) -> None:
        """Lifts a user's filter, and has what he did until a unix time no longer count as his taste.

        What he did after the wish must be recorded again; `activities` says what was forgotten before.

        Args:
            user_id: who.
            entry_id: the wish in the stream.
            last: when he did what he did last before it.
        """
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.delete(SeenItems.key(user_id))
            pipeline.hset(Activity.key(user_id), mapping={"flushed": entry_id, "flushed_at": last})
            self._changed(pipeline, user_id)
            pipeline.execute()

    def activities(self, user_ids: Iterable[int]) -> dict[int, Activity]:
        """Returns what is remembered about users, in one round trip."""
        users = list(user_ids)
        with self._client.pipeline(transaction=False) as pipeline:
            for user_id in users:
                pipeline.hmget(Activity.key(user_id), FIELDS)
            return {user: Activity.of(answer) for user, answer in zip(users, pipeline.execute(), strict=True)}

    def _filter(self, pipeline: Valkey, user_id: int, events: Sequence[Event]) -> None:
        policy = self._settings.seen_filter
        filtered = [
            event.item_id or 0 for event in events if policy in ("clicked", event.kind)
        ]  # who bought has clicked
        if filtered:
            SeenItems(pipeline).add(user_id, filtered, self._settings.seen_days)

    def _changed(self, pipeline: Valkey, user_id: int) -> None:
        pipeline.hincrby(Activity.key(user_id), "version", 1)
        # Longer than a filter lives: afterwards there is nothing left to forget.
        pipeline.expire(Activity.key(user_id), timedelta(days=self._settings.seen_days + 1))
