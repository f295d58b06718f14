"""Environment variables with old or unknown names. Does not define any setting."""

import warnings
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource


class SettingWarning(UserWarning):
    """A variable with the prefix of the settings and without an effect."""


class OldEnvironment(EnvSettingsSource):
    """Source of settings that reads old names of variables, with a warning each. Warns of unknown names too."""

    def __init__(
        self, settings_cls: type[BaseSettings], renamed: Mapping[str, str], others: Collection[str] = ()
    ) -> None:
        """Creates the source.

        Args:
            settings_cls: the settings.
            renamed: old names of settings to new names, without the prefix.
            others: names that are no settings and have an effect elsewhere.
        """
        super().__init__(settings_cls)
        self._renamed, self._others = renamed, others

    def __call__(self) -> dict[str, Any]:
        """Returns the values of old variables under their new names."""
        values, prefix = {}, self.env_prefix.lower()
        known = {f"{prefix}{name}" for name in (*self.settings_cls.model_fields, *self._renamed, *self._others)}
        for name in sorted(self.env_vars.keys() - known):
            if name.startswith(prefix):
                near = get_close_matches(name, known, 1)
                hint = f" Did you mean {near[0].upper()}?" if near else ""
                message = f"{name.upper()} is no setting and has no effect.{hint}"
                warnings.warn(message, SettingWarning, stacklevel=2)
        for old, new in self._renamed.items():
            value = self.env_vars.get(f"{prefix}{old}")
            if value is not None:
                values[new] = value
                names = f"{prefix}{old}".upper(), f"{prefix}{new}".upper()
                message = f"{names[0]} is now {names[1]}. Rename it: the next release drops the old name."
                warnings.warn(message, FutureWarning, stacklevel=2)
        return values
