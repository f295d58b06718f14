"""Clients of Valkey in cluster mode that connect at the first command, as `redis.Redis` does."""

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self

from redis.connection import SSLConnection

if TYPE_CHECKING:
    from redis.cluster import RedisCluster


def cluster_client(host: str, port: int, options: dict[str, Any]) -> "LazyCluster":
    """Returns this process's client of a cluster; `host` and `port` are the address of any node.

    Clients with equal options are one object, because redis-py takes 0.2 s to read the layout of a cluster.
    """
    return _client(host, port, tuple(sorted(options.items())))


@cache
def _client(host: str, port: int, options: tuple[tuple[str, Any], ...]) -> "LazyCluster":
    return LazyCluster(host, port, dict(options))


class _CheckedTls(SSLConnection):
    """A connection by TLS that checks the host name of the certificate; redis-py's cluster drops this option."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, ssl_check_hostname=True)


class LazyCluster:
    """Passes all calls to `redis.cluster.RedisCluster`, whose constructor asks the cluster for its layout."""

    def __init__(self, host: str, port: int, options: dict[str, Any]) -> None:
        self.address = f"{host}:{port}"
        self._host, self._port, self._options = host, port, options

    @cached_property
    def cluster(self) -> "RedisCluster[bytes]":
        """Returns the connected client; raises RedisClusterException."""
        from redis.cluster import RedisCluster

        if not self._options.get("ssl"):
            return RedisCluster(host=self._host, port=self._port, **self._options)
        options = {name: value for name, value in self._options.items() if name not in ("ssl", "ssl_check_hostname")}
        # Only with an address as a URL does redis-py use this class.
        return RedisCluster(url=f"redis://{self._host}:{self._port}", connection_class=_CheckedTls, **options)

    def forget_layout(self) -> None:
        """Lets the next call read the layout of the cluster again, because a node or a slot has moved."""
        self.__dict__.pop("cluster", None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cluster, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Keeps the connections, which others share."""
