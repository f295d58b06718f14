"""Records users' interactions as history and as seen items, and applies forget requests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import attrgetter

import polars as pl

from rec_assets.common.units import DAY_SECONDS
from rec_assets.realtime.events import Event, Kind
from rec_assets.realtime.stores.recent_items import RecentItems
from rec_assets.realtime.stores.seen_items import SeenItems
from rec_assets.settings import Settings
from rec_assets.storage.valkey import keys
from rec_assets.storage.valkey.client import Valkey, connect, transaction, translate_redis_errors
from rec_assets.storage.valkey.packed_pipeline import pipeline_by_user
from rec_assets.storage.valkey.round_trip import RoundTrip, packed


@dataclass(frozen=True)
class Activity:
    """A user's state beside the interactions, in the hash `keys.activity`.

    Attributes:
        version: increases with every recorded interaction and forget request.
        forget_request: stream entry id of the latest forget request; earlier interactions are no longer filtered.
        forgotten_until: unix seconds of the last interaction before that request; interactions up to this time do not
            count for `top_category`.
    """

    version: int = 0
    forget_request: str = ""
    forgotten_until: int = 0

    @staticmethod
    def key(user_id: int) -> str:
        """Returns the key of a user's hash."""
        return keys.activity(user_id)

    @classmethod
    def of(cls, values: Sequence[bytes | None] | None) -> "Activity":
        """Reads the stored values of `FIELDS`; None is the answer for a damaged key."""
        version, forget_request, forgotten_until = values or (None, None, None)
        return cls(int(version or 0), (forget_request or b"").decode(), int(forgotten_until or 0))


USERS_AT_ONCE = 1_000
FIELDS = ("version", "flushed", "flushed_at")  # stored names, in the order of the attributes of Activity


class UserActivityStore:
    """Seen and recent items of users. A change of one user is one transaction, except in `record_all` on a cluster."""

    def __init__(self, client: Valkey, settings: Settings) -> None:
        """Uses a client; `seen_filter` and `seen_days` of the settings control the filter."""
        self.seen_items = SeenItems(client)
        self.recent_items = RecentItems(client, settings.history_days)
        self._client = client
        self._settings = settings

    @classmethod
    def connect(cls, settings: Settings) -> "UserActivityStore":
        """Returns the store in the settings' Valkey; connects at first use."""
        return cls(connect(settings), settings)

    def record(self, user_id: int, item_ids: Sequence[int], at: int, kind: Kind = "clicked") -> None:
        """Records a user's interactions with items at a unix time; duplicates change nothing.

        The items join the user's history, and the seen filter if `seen_filter` covers `kind`.

        Raises:
            ActionableError: Valkey does not answer, or has no Bloom filters.
        """
        with translate_redis_errors(self._client):
            self.record_all([Event(user_id=user_id, item_id=item, at=at, kind=kind) for item in item_ids])

    def record_all(self, events: Sequence[Event]) -> dict[int, Activity]:
        """Records interactions like `record`, in one transaction; raises RedisError.

        In a cluster, the commands of each user are applied in order, and a reader may see some without the rest. The
        version comes last, so whoever computes from the state repeats the work after a change.

        Returns:
            Each user's activity after the transaction.
        """
        if not events:
            return {}
        users = sorted({event.user_id for event in events})
        with pipeline_by_user(self._client) as pipeline:
            for user, group in groupby(sorted(events, key=attrgetter("user_id")), attrgetter("user_id")):
                interactions = list(group)
                RecentItems(pipeline, self._settings.history_days).add_each(
                    user, [(event.item_id or 0, event.at) for event in interactions]
                )
                self._filter(pipeline, user, interactions)
                self._changed(pipeline, user)
            for user in users:
                pipeline.hmget(Activity.key(user), FIELDS)
            answers = pipeline.execute()[-len(users) :]
        return {user: Activity.of(answer) for user, answer in zip(users, answers, strict=True)}

    def mark_seen(self, rows: pl.DataFrame, now: int) -> None:
        """Adds the items of rows that only filter to the seen filters, unless the policy filters nothing.

        A filter lives `seen_days` from the user's last row. Rows before a user's forget request are left out.

        Args:
            rows: user_id, item_id, timestamp.
            now: unix seconds that lifetimes start from, the end of the rows' last day.

        Raises:
            ActionableError: Valkey does not answer, or has no Bloom filters.
        """
        if self._settings.seen_filter == "nothing":
            return
        with translate_redis_errors(self._client):
            for users in rows.select(pl.col("user_id").unique().sort()).iter_slices(USERS_AT_ONCE):
                known = self.activities(users["user_id"].to_list())
                until = pl.Series("until", [activity.forgotten_until for activity in known.values()], pl.Int64)
                kept = rows.join(users.with_columns(until), on="user_id").filter(pl.col("timestamp") > pl.col("until"))
                last = pl.col("timestamp").max() - now + self._settings.seen_days * DAY_SECONDS
                groups = kept.group_by("user_id").agg("item_id", last.alias("left")).filter(pl.col("left") > 0)
                with self._client.pipeline(transaction=False) as pipeline:
                    for user, items, left in groups.iter_rows():
                        SeenItems(pipeline).add_for(user, items, left)
                    pipeline.execute()

    def forget(self, user_id: int, entry_id: str, last: int) -> None:
        """Deletes a user's seen filter, and excludes interactions up to a unix time from `top_category`.

        The filter also loses interactions after the forget request: the caller must record them again.

        Args:
            user_id: raw user id.
            entry_id: stream entry id of the forget request.
            last: unix time of the last interaction before the request.
        """
        with transaction(self._client, Activity.key(user_id)) as pipeline:
            pipeline.delete(SeenItems.key(user_id))
            pipeline.hset(Activity.key(user_id), mapping={"flushed": entry_id, "flushed_at": last})
            self._changed(pipeline, user_id)
            pipeline.execute()

    def activities(self, user_ids: Iterable[int]) -> dict[int, Activity]:
        """Returns the activity of each user, in one round trip."""
        users = list(user_ids)
        fields = [name.encode() for name in FIELDS]
        answers = RoundTrip(self._client)([packed(b"HMGET", Activity.key(user).encode(), *fields) for user in users])
        return {user: Activity.of(answer) for user, answer in zip(users, answers, strict=True)}

    def _filter(self, pipeline: Valkey, user_id: int, events: Sequence[Event]) -> None:
        policy = self._settings.seen_filter
        # The policy "clicked" also covers bought items.
        filtered = [event.item_id or 0 for event in events if policy in ("clicked", event.kind)]
        if filtered:
            SeenItems(pipeline).add(user_id, filtered, self._settings.seen_days)

    def _changed(self, pipeline: Valkey, user_id: int) -> None:
        pipeline.hincrby(Activity.key(user_id), "version", 1)
        # Outlives the filter, after which no interaction is left to forget.
        pipeline.expire(Activity.key(user_id), timedelta(days=self._settings.seen_days + 1))
