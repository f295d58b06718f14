"""The route of a running canary and the counts of its answers in Valkey, shared by all clients."""

from collections.abc import Mapping

from rec_assets.serving.canary.route import Route
from rec_assets.storage.valkey.client import Valkey
from rec_assets.storage.valkey.keys import CANARY_ROUTE, canary_counts

# Whoever watches a canary renews the route. So a canary that nobody watches ends.
ROUTE_S = 300
_KEEP_S = 30 * 86_400


class CanaryBoard:
    """Reads and writes the keys of canaries; each method raises RedisError, or an error of `OUTAGES`."""

    def __init__(self, client: Valkey) -> None:
        self._client = client

    def open(self, route: Route) -> None:
        """Makes all clients ask a candidate within a second, for the next `ROUTE_S` seconds."""
        self._client.set(CANARY_ROUTE, route.model_dump_json(), ex=ROUTE_S)

    def close(self) -> None:
        """Makes all clients ask only the live bundle within a second."""
        self._client.delete(CANARY_ROUTE)

    def route(self) -> Route | None:
        """Returns the current route, None without a canary; raises ValidationError for one that cannot be read."""
        text = self._client.get(CANARY_ROUTE)
        return None if text is None else Route.model_validate_json(text)

    def reset(self, bundle_id: str) -> None:
        """Deletes the counts of a candidate."""
        self._client.delete(canary_counts(bundle_id))

    def add(self, bundle_id: str, counts: Mapping[str, float]) -> None:
        """Adds to the counts of a candidate."""
        key = canary_counts(bundle_id)
        with self._client.pipeline(transaction=False) as pipeline:
            for name, value in counts.items():
                pipeline.hincrbyfloat(key, name, value)
            pipeline.expire(key, _KEEP_S)
            pipeline.execute()

    def counts(self, bundle_id: str) -> dict[str, float]:
        """Returns the counts of a candidate by name (`rec_assets.serving.canary.tally`)."""
        return {name.decode(): float(value) for name, value in self._client.hgetall(canary_counts(bundle_id)).items()}
