"""All settings of the project, read once from `REC_*` environment variables. No other module reads these variables."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from rec_assets.common.environment import OldEnvironment
from rec_assets.common.mapping_defaults import defaults_of
from rec_assets.settings.cluster import ClusterSettings
from rec_assets.settings.data import DEFAULT_HOME, DEFAULT_SOURCE, SHOP_FILE, DataSettings
from rec_assets.settings.models import ModelSettings
from rec_assets.settings.serving import ServingSettings
from rec_assets.settings.web import WebSettings

_SOURCE_FIELDS = ("source", "start_date", "days", "files_", "retail_", "seed")

# Old names of settings → new names. The old names work with a warning until the next release.
RENAMED = {"judge_share": "holdout_share", "days_a_run": "backfill_days_per_run"}

_OTHER_VARIABLES = ("require_tools",)  # of the tests

MAPPINGS = Path(__file__).parent.parent / "sources" / "shop" / "mappings"


# The fields of the last base come first.
class Settings(WebSettings, ClusterSettings, ServingSettings, ModelSettings, DataSettings, BaseSettings):
    """Settings on laptop, in tests and in the cluster. `REC_TRAIN_DAYS=5` sets `train_days`; times are UTC."""

    model_config = SettingsConfigDict(env_prefix="REC_", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Reads the environment by new names, and then by the old names of `RENAMED`."""
        return init_settings, env_settings, OldEnvironment(settings_cls, RENAMED, _OTHER_VARIABLES)

    @model_validator(mode="before")
    @classmethod
    def _by_source(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Adds the source's defaults, and gives each source its own home, because their partitions differ."""
        mapping = Path(given.get("shop", SHOP_FILE)).absolute()
        source = given.get("source") or ("shop" if mapping.exists() else DEFAULT_SOURCE)
        if (packaged := MAPPINGS / f"{source}.toml").is_file():
            mapping = packaged
        defaults = defaults_of(mapping) if source == "shop" or mapping == packaged else {}
        home, name = Path(given.get("home", DEFAULT_HOME)), defaults.get("name", source)
        # Processes of Triton get a home that already ends with the source.
        if name not in (DEFAULT_SOURCE, home.name):
            home /= name
        valkey_host = given.get("valkey_host") or given.get("host") or cls.model_fields["host"].default
        set_here = {"source": source, "home": home, "valkey_host": valkey_host}
        if defaults:
            set_here["shop"] = mapping
        if source == "files":
            defaults = {"days": 0}
        return {key: value for key, value in defaults.items() if key != "name"} | given | set_here

    @model_validator(mode="after")
    def _days_that_exist(self) -> Self:
        """Refuses generated days without an end, because their number determines the users."""
        if self.source == DEFAULT_SOURCE and not self.days:
            raise ValueError(f"days is 0, but source={self.source} makes a fixed number of days. Set REC_DAYS.")
        return self

    @property
    def has_mapping(self) -> bool:
        """True if a mapping file says what the data mean: a shop's own, or one of this package."""
        return self.source in ("shop", "completejourney")

    @property
    def end_date(self) -> date:
        """The day after the last partition; with days=0 it is today (UTC)."""
        if self.days:
            return self.start_date + timedelta(days=self.days)
        return max(datetime.now(UTC).date(), self.start_date + timedelta(days=1))

    @property
    def as_of(self) -> date:
        """The day of the first full training: the last day of the first model window."""
        window = timedelta(days=self.train_days + self.valid_days)
        return min(self.start_date + window, self.end_date) - timedelta(days=1)

    @property
    def source_version(self) -> str:
        """Hash of the source's location, days, sizes and seed, which changes whenever the raw data change."""
        parts = self.model_dump_json(include={n for n in type(self).model_fields if n.startswith(_SOURCE_FIELDS)})
        return hashlib.sha256(parts.encode()).hexdigest()[:8]

    @property
    def artifacts_dir(self) -> Path:
        """Root of the artifact store, or of its cache (see `rec_assets.storage.artifacts.store`)."""
        return self.home / "artifacts"


def table() -> str:
    """Returns all variables as a Markdown table; a test compares it with the one in `deploy/README.md`."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "a secret" if field.exclude else "" if field.default in ("", None) else f"`{field.default}`"
        rows.append(f"| `REC_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


@lru_cache
def get_settings() -> Settings:
    """Returns the process-wide settings."""
    return Settings()
