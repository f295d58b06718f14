"""The current rules in Valkey, with the numbers of the models. `rec rules set` writes them; serving reads them."""

from hashlib import blake2b

from rec_assets.serving.rules.rules import Rules
from rec_assets.storage.keys import SHOP_RULES
from rec_assets.storage.valkey import Valkey, command, translate_redis_errors

TOKEN = 16  # bytes of the digest before the rules


class CurrentRules:
    """One value: a digest of the rules, then the rules as JSON. Readers ask for the digest until it changes."""

    def __init__(self, client: Valkey) -> None:
        self._client = client

    def replace(self, rules: Rules[int]) -> None:
        """Writes the rules; raises ActionableError if Valkey does not answer."""
        text = _text(rules)
        with translate_redis_errors(self._client):
            self._client.set(SHOP_RULES, _digest(text) + text)

    def version(self) -> bytes | None:
        """Returns the digest, None before the first write; raises RedisError."""
        return command(self._client, "GETRANGE", SHOP_RULES, 0, TOKEN - 1) or None

    def rules(self) -> Rules[int]:
        """Returns the rules, none before the first write; raises RedisError."""
        return Rules[int].model_validate_json((self._client.get(SHOP_RULES) or b"")[TOKEN:] or b"{}")


def version_of(rules: Rules[int]) -> bytes:
    """Returns the digest that `CurrentRules.version` returns for these rules."""
    return _digest(_text(rules))


def _text(rules: Rules[int]) -> bytes:
    return rules.model_dump_json(by_alias=True, exclude_defaults=True).encode()


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=TOKEN).digest()
