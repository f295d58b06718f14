"""Valkey with the Bloom module as a local server; an append-only file keeps the data across restarts."""

import redis

from rec_assets.cli.local import binaries
from rec_assets.cli.local.server import LOOPBACK, Server, is_open
from rec_assets.storage.move_keys import move_old_keys


class Valkey(Server):
    """The store of features, seen filters, recent items and popularity."""

    name = "valkey"
    patience_s = 60.0

    def ports(self) -> dict[str, int]:
        """Returns the one port."""
        return {"REC_VALKEY_PORT": self.settings.valkey_port}

    def command(self) -> list[str]:
        """Returns the command line; the data are in `<home>/valkey`."""
        data = self.home / "valkey"
        data.mkdir(parents=True, exist_ok=True)
        options = {
            "bind": LOOPBACK,
            "port": str(self.settings.valkey_port),
            "dir": str(data),
            "loadmodule": str(binaries.bloom_module()),
            "appendonly": "yes",
            "save": "",  # no snapshots beside the append-only file
            "zset-max-listpack-entries": "512",  # keeps a full history in the compact encoding
        }
        return [
            str(binaries.valkey_server()),
            *(part for key, value in options.items() for part in (f"--{key}", value)),
        ]

    def is_ready(self) -> bool:
        """Returns whether PING succeeds, which it does not while the server loads its data."""
        if not is_open(self.settings.valkey_port):
            return False
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def prepare(self) -> None:
        """Moves keys of an earlier release to their present names."""
        move_old_keys(self.settings)

    def detail(self) -> str:
        """Returns the number of keys."""
        try:
            with self._client() as client:
                counts = {name: db["keys"] for name, db in client.info("keyspace").items()}
        except redis.RedisError as error:
            return f"does not answer: {error}"
        return ", ".join(f"{name}: {keys:,} keys" for name, keys in counts.items()) or "empty"

    def _client(self) -> "redis.Redis[bytes]":
        return redis.Redis(LOOPBACK, self.settings.valkey_port, socket_timeout=2.0)
