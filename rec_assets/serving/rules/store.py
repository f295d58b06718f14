"""The current rules in Valkey, with the numbers of the models. `rec rules set` writes them; serving reads them."""

from rec_assets.serving.rules.rules import Rules
from rec_assets.storage.valkey import versioned_value
from rec_assets.storage.valkey.client import Valkey
from rec_assets.storage.valkey.keys import SHOP_RULES
from rec_assets.storage.valkey.versioned_value import VersionedValue


class CurrentRules:
    """The rules as JSON, as one value of Valkey."""

    def __init__(self, client: Valkey) -> None:
        self._value = VersionedValue(client, SHOP_RULES)

    def replace(self, rules: Rules[int]) -> None:
        """Writes the rules; raises ActionableError if Valkey does not answer."""
        self._value.replace(_text(rules))

    def version(self) -> bytes | None:
        """Returns the version, None before the first write; raises RedisError."""
        return self._value.version()

    def rules(self) -> Rules[int]:
        """Returns the rules, none before the first write; raises RedisError."""
        return Rules[int].model_validate_json(self._value.content() or b"{}")


def version_of(rules: Rules[int]) -> bytes:
    """Returns the version that `CurrentRules.version` returns for these rules."""
    return versioned_value.version_of(_text(rules))


def _text(rules: Rules[int]) -> bytes:
    return rules.model_dump_json(by_alias=True, exclude_defaults=True).encode()
