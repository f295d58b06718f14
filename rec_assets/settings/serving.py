"""Settings of requests, Valkey, Triton and the record of answers."""

from typing import Literal

from pydantic import BaseModel, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


class ServingSettings(BaseModel):
    """Lists, their servers, and what is recorded of them."""

    # Serving
    retrieval_topk: PositiveInt = Field(300, description="Candidates retrieved per request.")
    ranking_topk: PositiveInt = Field(100, description="Items returned per request.")
    diversity_mode: bool = Field(False, description="Sample the list by score instead of sorting it.")
    repeats: bool | None = Field(
        None,
        description="Whether lists may repeat items of the user's history; unset: if a twentieth of the interactions "
        "of the validation days repeat an item, or 2 % of the items of histories are chosen again.",
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
    canary_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of users to whom promotion_sensor gives a new bundle first; 0: it promotes at once.",
    )
    canary_minutes: NonNegativeInt = Field(
        0,
        description="Minutes after which a canary within its objectives goes live; 0: after `rec canary accept`.",
    )
    canary_min_requests: PositiveInt = Field(
        300, description="Requests to each bundle before a canary or a new live bundle is judged."
    )
    canary_max_errors: float = Field(
        0.01, ge=0, le=1, description="A new bundle is stopped if its share of errors is higher by more than this."
    )
    canary_max_slowdown: PositiveFloat = Field(
        2.0,
        description="A canary is stopped if its p99 is more than this many times that of the live bundle.",
    )
    watch_minutes: NonNegativeInt = Field(
        10, description="Minutes after a promotion in which errors or slow answers roll it back; 0: none."
    )
    watch_max_ms: PositiveFloat = Field(
        1000.0, description="Mean milliseconds of a model's answers in Triton above which a promotion is rolled back."
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

    # Outcomes of shown lists
    outcome_window_hours: PositiveInt = Field(
        24, description="Hours after an answer in which an interaction with a shown item counts as its outcome."
    )
    max_drift: NonNegativeFloat = Field(
        0.2,
        description="Largest population stability index of an input or score of a day's answers; a larger one that "
        "chance does not explain makes a check warn.",
    )

    @property
    def saved_models(self) -> bool:
        """True if models are also exported as SavedModels, because Triton runs TensorFlow."""
        return self.triton_backend == "tensorflow"
