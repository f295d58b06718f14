"""All settings of the project, read once from `REC_*` environment variables. No other module reads these variables."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from rec_assets.common.environment import OldEnvironment
from rec_assets.common.file_limits import FileLimits
from rec_assets.common.mapping_defaults import defaults_of

_SOURCE_FIELDS = ("source", "start_date", "days", "files_", "retail_", "seed")

# Old names of settings → new names. The old names work with a warning until the next release.
RENAMED = {"judge_share": "holdout_share", "days_a_run": "backfill_days_per_run"}

_OTHER_VARIABLES = ("require_tools",)  # of the tests

DEFAULT_SOURCE: Final = "retail"
DEFAULT_HOME = Path(".rec")
MAPPINGS = Path(__file__).parent / "sources" / "shop" / "mappings"
SHOP_FILE = Path("shop.toml")


class Settings(BaseSettings):
    """Settings on laptop, in tests and in the cluster. `REC_TRAIN_DAYS=5` sets `train_days`; times are UTC."""

    model_config = SettingsConfigDict(env_prefix="REC_", frozen=True)

    home: Path = Field(DEFAULT_HOME, description="Folder of all state; sources other than retail use <home>/<source>.")
    artifacts: str = Field(
        "", description="Artifact store: s3://bucket/prefix, with a cache below home; empty: home only."
    )
    store_read_only: bool = Field(
        False, description="Refuse to publish or delete artifacts; for processes that only serve."
    )
    bundle_key: str = Field(
        "",
        exclude=True,
        repr=False,
        description="Key that signs new bundles; if it is set, bundles without its signature are not served; a secret.",
    )
    seed: NonNegativeInt = Field(0, description="Base of all random seeds; each also depends on the partition key.")

    # Raw data
    source: Literal["retail", "shop", "files", "completejourney"] = Field(
        DEFAULT_SOURCE, description="Source of raw days; sets the defaults of days, training windows and seen filter."
    )
    shop: Path = Field(
        SHOP_FILE,
        description="source=shop: mapping file that `rec init` writes; if it exists, shop is the default source.",
    )
    start_date: date = Field(date(2025, 3, 3), description="First daily partition.")
    days: NonNegativeInt = Field(
        14, description="Number of daily partitions from start_date; 0, as with source=files: all days up to yesterday."
    )
    files_location: str = Field("", description="source=files: folder or bucket prefix of the daily parquet files.")
    retail_users: PositiveInt = Field(10_000, description="source=retail: initial number of users.")
    retail_items: PositiveInt = Field(2_465, description="source=retail: number of items in the catalog.")
    retail_interactions_per_day: PositiveInt = Field(20_000, description="source=retail: number of rows per day.")

    max_file_mb: PositiveInt = Field(
        FileLimits.file, description="Largest size in memory of one data file of a source or of the offline log."
    )
    max_row_group_mb: PositiveInt = Field(
        FileLimits.row_group, description="Largest size in memory of a row group of a parquet file."
    )
    max_unknown_share: float = Field(
        0.5, ge=0, le=1, description="Largest share of a day's rows with items outside the catalog; more fails the day."
    )

    # Training windows and feature engineering
    train_days: PositiveInt = Field(9, description="Days that a full training trains on.")
    valid_days: PositiveInt = Field(
        3, description="Days after the training days, up to the as-of day; they select and evaluate the models."
    )
    mask_probability: float = Field(0.05, ge=0, le=1, description="Share of training rows made anonymous.")
    image_encoder: str = Field("packaged", description="'packaged', or the path or Hugging Face id of a CLIP model.")
    text_encoder: str = Field(
        "packaged", description="'packaged', or the path or Hugging Face id of a Sentence-BERT model."
    )

    # Training
    max_epochs: PositiveInt = Field(
        30, description="Maximum number of epochs; validation recall stops a training earlier."
    )

    # Daily fine-tuning
    finetune_epochs: PositiveInt = Field(1, description="Number of epochs over the rows of the day.")
    finetune_learning_rate: PositiveFloat = Field(
        1e-4, description="Learning rate of a fine-tune, a tenth of a full training's."
    )
    replay_ratio: NonNegativeFloat = Field(1.0, description="Number of older rows per row of the day in a fine-tune.")
    holdout_share: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of a day's users who are held out: their rows of the day evaluate bundles and train none.",
    )

    dask_scheduler: str = Field(
        "", description="Address of the Dask scheduler that NVTabular uses; empty: the step's process."
    )

    # Serving
    retrieval_topk: PositiveInt = Field(300, description="Candidates retrieved per request.")
    ranking_topk: PositiveInt = Field(100, description="Items returned per request.")
    diversity_mode: bool = Field(False, description="Sample the list by score instead of sorting it.")
    repeats: bool | None = Field(
        None,
        description="Whether lists may repeat items of the user's history; unset: if a twentieth of the interactions "
        "of the validation days repeat an item.",
    )
    seen_filter: Literal["clicked", "bought", "marked", "nothing"] = Field(
        "clicked",
        description="Items not recommended again: clicked and bought items, bought items, items of events that only "
        "filter, or none. The first two include those of events that only filter.",
    )
    clicks_teach: bool = Field(
        True, description="Whether online clicks train models and count as popular; if not, they are history only."
    )
    seen_days: PositiveInt = Field(7, description="Days a seen item stays filtered after the user's last interaction.")
    history_days: NonNegativeInt = Field(
        0, description="Days a user's history stays in Valkey after its last interaction was written; 0: for ever."
    )
    host: str = Field("127.0.0.1", description="Host of Valkey and Triton.")
    valkey_host: str = Field("", description="Host of Valkey; empty: `host`.")
    valkey_port: PositiveInt = Field(6390, description="Port of Valkey.")
    valkey_cluster: bool = Field(False, description="Valkey runs in cluster mode; the address is that of any node.")
    valkey_tls: bool = Field(False, description="Connect to Valkey by TLS, as ElastiCache requires.")
    valkey_ca: str = Field("", description="File of the CA that signed Valkey's certificate; empty: the system's CAs.")
    valkey_user: str = Field("", description="Valkey user; empty: the default user.")
    # Excluded from dumps, so that neither logs nor files of a server with these settings contain it.
    valkey_password: str = Field(
        "", exclude=True, repr=False, description="Password of the Valkey user, without commas; a secret."
    )
    triton_grpc_port: PositiveInt = Field(8001, description="Triton's gRPC port.")
    triton_metrics_port: PositiveInt = Field(8002, description="Port of Triton's Prometheus metrics.")

    triton_instances: PositiveInt = Field(
        2, description="Processes of the model behind recommender, at best one per core; each takes 0.2 GB of memory."
    )
    triton_backend: Literal["python", "onnxruntime", "tensorflow"] = Field(
        "python", description="Backend of query_tower and dlrm_ranking; the local server has only the Python backend."
    )
    triton_control_key: str = Field(
        "",
        exclude=True,
        repr=False,
        description="Key that clients of Triton and its agent need to change models; a secret.",
    )
    triton_replicas: str = Field(
        "",
        description="Headless service of several Tritons, or their hosts with commas, which a promotion switches "
        "together.",
    )
    agent_port: PositiveInt = Field(8081, description="Port of the agent beside each Triton.")

    log_interval_s: NonNegativeFloat = Field(
        5.0,
        description="With a bucket: seconds between two objects that a worker adds to the offline log. Events of this "
        "time are acknowledged together.",
    )

    answer_share: float = Field(
        1.0, ge=0, le=1, description="Share of the answers that are recorded, chosen by their ids; 0 records none."
    )
    answer_days: NonNegativeInt = Field(
        30, description="Number of newest days of which the log of answers is kept; 0: all days."
    )

    # Feature store, except Valkey
    feast_registry: str = Field("", description="Feast's registry: s3://bucket/registry.db; empty: a file below home.")

    feast_offline: Literal["file", "athena"] = Field(
        "file",
        description="Source of Feast's materialization: the step's parquet, or the Athena tables that it is added to.",
    )
    feast_tables: str = Field("", description="feast_offline=athena: s3:// prefix of the tables.")
    athena_region: str = Field("eu-central-1", description="AWS region of Athena.")
    athena_database: str = Field("rec_assets", description="Glue database of the Athena tables.")
    athena_workgroup: str = Field("rec-assets", description="Athena workgroup.")
    athena_results: str = Field("", description="s3:// prefix of query results.")

    # Outcomes of shown lists
    outcome_window_hours: PositiveInt = Field(
        24, description="Hours after an answer in which an interaction with a shown item counts as its outcome."
    )
    max_drift: NonNegativeFloat = Field(
        0.2,
        description="Largest population stability index of an input or score of a day's answers; a larger one that "
        "chance does not explain makes a check warn.",
    )

    backfill_days_per_run: NonNegativeInt = Field(
        0, description="Days per run of a backfill, for assets whose days do not depend on each other; 0: all days."
    )

    keep_days: NonNegativeInt = Field(
        0, description="Number of newest days of which `rec prune` keeps all artifacts; 0: all days."
    )

    # Steps on Kubernetes (see rec_assets.orchestration.op_tags), with quantities in Kubernetes notation
    executor: Literal["in_process", "k8s"] = Field(
        "in_process", description="Where steps run: in the process of their run, or as a Kubernetes job each."
    )
    pod_cpu_image: str = Field("", description="Image of cpu steps; empty: the code location's image.")
    pod_cpu_cpus: str = Field("2", description="CPU request of a cpu step.")
    pod_cpu_memory: str = Field("8Gi", description="Memory request and limit of a cpu step.")
    pod_cpu_disk: str = Field(
        "20Gi", description="Local disk of a cpu step, for the artifacts that it reads and writes."
    )
    pod_gpu_image: str = Field("", description="Image of gpu steps; empty: the code location's image.")
    pod_gpu_cpus: str = Field("4", description="CPU request of a gpu step.")
    pod_gpu_memory: str = Field("28Gi", description="Memory request and limit of a gpu step.")
    pod_gpu_disk: str = Field("60Gi", description="Local disk of a gpu step.")
    pod_gpu_shm: str = Field("8Gi", description="Shared memory of a gpu step, as a part of its memory.")
    pod_gpu_count: NonNegativeInt = Field(1, description="GPUs of a gpu step; 0 runs the step on cpu nodes.")
    pod_service_account: str = Field(
        "rec-assets", description="Kubernetes service account of steps, which determines their AWS role."
    )
    storefront_port: PositiveInt = Field(8080, description="Port of `rec storefront`.")
    storefront_address: str = Field("127.0.0.1", description="Address that `rec storefront` listens on.")
    api_port: PositiveInt = Field(8090, description="Port of `rec api`.")
    api_address: str = Field(
        "127.0.0.1", description="Address that `rec api` listens on; without `api_keys`, of this machine only."
    )
    api_keys: str = Field(
        "", exclude=True, repr=False, description="Keys that clients of `rec api` send, with commas; secrets."
    )
    api_metrics_port: NonNegativeInt = Field(
        0, description="Port of the Prometheus metrics of `rec api`, on its address and without a key; 0: none."
    )
    otlp_endpoint: str = Field(
        "",
        description="Collector of traces (OTLP over HTTP), such as http://localhost:4318; empty: no traces.",
    )
    trace_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of requests that begin a trace; a trace of the caller is always continued.",
    )
    dagster_port: PositiveInt = Field(3000, description="Port of Dagster's UI in `rec dev`, on 127.0.0.1.")
    allowed_hosts: str = Field(
        "",
        description="Host names under which storefront, API, agent and Dagster's UI may be called, with commas; "
        "localhost and addresses are always allowed.",
    )

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
    def file_limits(self) -> FileLimits:
        """Limits of data files."""
        return FileLimits(self.max_file_mb, self.max_row_group_mb)

    @property
    def saved_models(self) -> bool:
        """True if models are also exported as SavedModels, because Triton runs TensorFlow."""
        return self.triton_backend == "tensorflow"

    @property
    def host_names(self) -> frozenset[str]:
        """Names in `allowed_hosts`."""
        return frozenset(name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip())

    @property
    def api_key_set(self) -> frozenset[str]:
        """Keys in `api_keys`."""
        return frozenset(key.strip() for key in self.api_keys.split(",") if key.strip())

    @property
    def artifacts_dir(self) -> Path:
        """Root of the artifact store, or of its cache (see `rec_assets.storage.artifact_store`)."""
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


if __name__ == "__main__":
    print(table())
