"""Every knob of the project, read once from `REC_*` environment variables; nothing else reads the environment."""

import hashlib
import warnings
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

_SOURCE_FIELDS = ("source", "start_date", "days", "files_", "retail_", "seed")

# Names of release 0.1; they warn, and go with the next.
RENAMED = {"judge_share": "holdout_share", "days_a_run": "backfill_days_per_run"}

DEFAULT_SOURCE: Final = "retail"
DEFAULT_HOME = Path(".rec")
# What a source says where the environment does not: its days, the windows of a full training, what is filtered.
_SOURCE_DEFAULTS: dict[str, dict[str, Any]] = {
    "completejourney": {
        "start_date": date(2017, 8, 21),
        "days": 91,
        "train_days": 63,
        "valid_days": 14,
        "seen_filter": "nothing",  # groceries are bought again
    },
}


class Settings(BaseSettings):
    """One object for laptop, tests and cluster. `REC_TRAIN_DAYS=5` sets `train_days`; times are UTC."""

    model_config = SettingsConfigDict(env_prefix="REC_", frozen=True)

    home: Path = Field(DEFAULT_HOME, description="Where all state lives; another source than retail: <home>/<source>.")
    artifacts: str = Field(
        "", description="Where artifacts are kept: s3://bucket/prefix, with a cache below home; empty: home alone."
    )
    seed: NonNegativeInt = Field(0, description="Mixed with the partition key into every random seed.")

    # Raw data
    source: Literal["retail", "files", "completejourney"] = Field(
        DEFAULT_SOURCE, description="Where raw days come from; it has its own defaults of days, windows and filter."
    )
    start_date: date = Field(date(2025, 3, 3), description="The first daily partition.")
    days: PositiveInt = Field(14, description="Days of history, from start_date.")
    files_location: str = Field("", description="source=files: folder or bucket prefix with the daily parquet.")
    retail_users: PositiveInt = Field(10_000, description="source=retail: users at the start.")
    retail_items: PositiveInt = Field(2_465, description="source=retail: items in the catalog.")
    retail_interactions_per_day: PositiveInt = Field(20_000, description="source=retail: rows a day.")

    # Training windows and feature engineering
    train_days: PositiveInt = Field(9, description="Days a full training learns from.")
    valid_days: PositiveInt = Field(3, description="Days after them, up to the as-of day, that choose and judge it.")
    mask_probability: float = Field(0.05, ge=0, le=1, description="Share of training rows made anonymous.")
    image_encoder: str = Field("packaged", description="'packaged', or a path or hub id of a CLIP model.")
    text_encoder: str = Field("packaged", description="'packaged', or a path or hub id of a Sentence-BERT model.")

    # Training
    max_epochs: PositiveInt = Field(30, description="Upper bound; validation recall stops training earlier.")

    # Daily fine-tuning
    finetune_epochs: PositiveInt = Field(1, description="How often a fine-tune sees the rows of its day.")
    finetune_learning_rate: PositiveFloat = Field(1e-4, description="Its rate, a tenth of a full training's.")
    replay_ratio: NonNegativeFloat = Field(1.0, description="Older rows a fine-tune sees for each row of its day.")
    holdout_share: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of a day's users who judge its bundles, and of whose rows of it none learns.",
    )

    dask_scheduler: str = Field(
        "", description="Where NVTabular works: the address of a Dask scheduler; empty: the step's process."
    )

    # Serving
    retrieval_topk: PositiveInt = Field(300, description="Candidates a request retrieves.")
    ranking_topk: PositiveInt = Field(100, description="Items a request returns.")
    diversity_mode: bool = Field(False, description="Sample the list by score instead of sorting it.")
    repeats: bool = Field(True, description="Whether what a user chose before is always a candidate.")
    seen_filter: Literal["clicked", "bought", "nothing"] = Field(
        "clicked",
        description="What is not recommended again: all that was clicked or bought, what was bought, nothing.",
    )
    seen_days: PositiveInt = Field(7, description="Days that it is not, from the user's last such doing.")
    host: str = Field("127.0.0.1", description="Where Valkey and Triton are reached.")
    valkey_host: str = Field("", description="Where Valkey is reached, if not at `host`.")
    valkey_port: PositiveInt = Field(6390, description="Its port.")
    valkey_tls: bool = Field(False, description="Whether Valkey is spoken to by TLS, as ElastiCache is.")
    valkey_ca: str = Field("", description="File of the authority that signed its certificate; empty: the system's.")
    valkey_user: str = Field("", description="The user to log in as; empty: the default one.")
    # Never in a dump, hence neither in logs nor in the files of a server that is started with these settings.
    valkey_password: str = Field("", exclude=True, repr=False, description="Its password, without commas; a secret.")
    triton_http_port: PositiveInt = Field(8000, description="Triton's HTTP port.")
    triton_grpc_port: PositiveInt = Field(8001, description="Triton's gRPC port.")
    triton_metrics_port: PositiveInt = Field(8002, description="Where Triton's metrics are scraped.")

    triton_instances: PositiveInt = Field(
        2, description="Processes of the model behind recommender: one a core, at 0.2 GB each; they share the bundle."
    )
    triton_backend: Literal["python", "onnxruntime", "tensorflow"] = Field(
        "python", description="What runs query_tower and dlrm_ranking; the laptop's server has the Python backend only."
    )
    triton_control_key: str = Field(
        "", exclude=True, repr=False, description="What Triton and its agent ask of who changes models; a secret."
    )
    triton_replicas: str = Field(
        "", description="Headless service of several Tritons, which a promotion asks one by one."
    )
    agent_port: PositiveInt = Field(8080, description="Where the agent beside each Triton listens.")

    # The feature store's parts beside Valkey
    feast_registry: str = Field("", description="Feast's registry: s3://bucket/registry.db; empty: a file below home.")

    feast_offline: Literal["file", "athena"] = Field(
        "file", description="What Feast materializes from: the step's parquet, or tables of Athena it is added to."
    )
    feast_tables: str = Field("", description="feast_offline=athena: s3:// prefix below which the tables lie.")
    athena_region: str = Field("eu-central-1", description="Athena's region.")
    athena_database: str = Field("rec_assets", description="Its database in Glue.")
    athena_workgroup: str = Field("rec-assets", description="Its workgroup.")
    athena_results: str = Field("", description="s3:// prefix for the results of its queries.")

    backfill_days_per_run: NonNegativeInt = Field(
        0, description="Days of a backfill that one run takes, where days can be made side by side; 0: all of them."
    )

    keep_days: NonNegativeInt = Field(
        0, description="Newest days of which all artifacts stay when `rec prune` is run; 0: of all days."
    )

    # Steps on Kubernetes (see rec_assets.orchestration.op_tags); quantities as Kubernetes writes them
    executor: Literal["in_process", "k8s"] = Field(
        "in_process", description="Steps in the process of their run, or each as a Kubernetes job."
    )
    pod_cpu_image: str = Field("", description="Image of cpu steps; empty: the code location's.")
    pod_cpu_cpus: str = Field("2", description="Processors that a cpu step asks for.")
    pod_cpu_memory: str = Field("8Gi", description="Memory of a cpu step, asked for and not exceeded.")
    pod_cpu_disk: str = Field("20Gi", description="Local disk of a cpu step: what it reads and writes of artifacts.")
    pod_gpu_image: str = Field("", description="Image of gpu steps; empty: the code location's.")
    pod_gpu_cpus: str = Field("4", description="Processors that a gpu step asks for.")
    pod_gpu_memory: str = Field("28Gi", description="Memory of a gpu step, asked for and not exceeded.")
    pod_gpu_disk: str = Field("60Gi", description="Local disk of a gpu step.")
    pod_gpu_shm: str = Field("8Gi", description="Shared memory of a gpu step, part of its memory.")
    pod_gpu_count: NonNegativeInt = Field(1, description="GPUs of a gpu step; 0 runs it on the cpu nodes.")
    pod_service_account: str = Field("rec-assets", description="The account, hence the AWS role, of steps.")
    storefront_port: PositiveInt = Field(8080, description="Where `rec storefront` listens, on 127.0.0.1.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Reads the environment by the names of today, and after it by those of `RENAMED`."""
        return init_settings, env_settings, _OldEnvironment(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _by_source(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Adds what the source says, and gives a source a home of its own: its days are other partitions."""
        source = given.get("source", DEFAULT_SOURCE)
        home = Path(given.get("home", DEFAULT_HOME))
        # A process that is handed a resolved home, as Triton's are, stays in it.
        if source not in (DEFAULT_SOURCE, home.name):
            home /= source
        valkey_host = given.get("valkey_host") or given.get("host") or cls.model_fields["host"].default
        return _SOURCE_DEFAULTS.get(source, {}) | given | {"home": home, "valkey_host": valkey_host}

    @property
    def end_date(self) -> date:
        """The day after the last partition."""
        return self.start_date + timedelta(days=self.days)

    @property
    def as_of(self) -> date:
        """The day of the first full training: the last of the first model window."""
        return self.start_date + timedelta(days=min(self.train_days + self.valid_days, self.days) - 1)

    @property
    def source_version(self) -> str:
        """Changes whenever the raw data would: the source with its location, days, sizes and seed."""
        parts = self.model_dump_json(include={n for n in type(self).model_fields if n.startswith(_SOURCE_FIELDS)})
        return hashlib.sha256(parts.encode()).hexdigest()[:8]

    @property
    def saved_models(self) -> bool:
        """True where models are exported as SavedModels beside ONNX: Triton runs TensorFlow."""
        return self.triton_backend == "tensorflow"

    @property
    def artifacts_dir(self) -> Path:
        """Root of the artifact store, or of its cache (see `rec_assets.storage.artifact_store`)."""
        return self.home / "artifacts"


class _OldEnvironment(EnvSettingsSource):
    """Variables whose names were changed: a warning each."""

    def __call__(self) -> dict[str, Any]:
        """Returns the values that are set, by the new names."""
        found = {}
        for old, new in RENAMED.items():
            value = self.env_vars.get(f"rec_{old}")
            if value is not None:
                found[new] = value
                message = f"REC_{old.upper()} is now REC_{new.upper()}. Rename it: the next release drops the old one."
                warnings.warn(message, FutureWarning, stacklevel=2)
        return found


def table() -> str:
    """Returns all variables as a table of Markdown, which `deploy/README.md` holds; a test says when it is old."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "a secret" if field.exclude else f"`{field.default}`" if field.default != "" else ""
        rows.append(f"| `REC_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


@lru_cache
def get_settings() -> Settings:
    """Returns the process-wide settings."""
    return Settings()


if __name__ == "__main__":
    print(table())
