"""A value in Valkey that many processes copy: they ask for its version until it changes."""

from hashlib import blake2b

from rec_assets.storage.valkey.client import Valkey, command, translate_redis_errors

TOKEN = 16  # bytes of the digest before the content


class VersionedValue:
    """One key: a digest of the content, then the content."""

    def __init__(self, client: Valkey, key: str) -> None:
        self._client = client
        self._key = key

    def replace(self, content: bytes) -> None:
        """Writes the content; raises ActionableError if Valkey does not answer."""
        with translate_redis_errors(self._client):
            self._client.set(self._key, version_of(content) + content)

    def version(self) -> bytes | None:
        """Returns the digest, None before the first write; raises RedisError."""
        return command(self._client, "GETRANGE", self._key, 0, TOKEN - 1) or None

    def content(self) -> bytes:
        """Returns the content, empty before the first write; raises RedisError."""
        return (self._client.get(self._key) or b"")[TOKEN:]


def version_of(content: bytes) -> bytes:
    """Returns the digest that `VersionedValue.version` returns for a content."""
    return blake2b(content, digest_size=TOKEN).digest()
