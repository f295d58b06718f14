"""Settings of the feature store on AWS and of steps on Kubernetes."""

from typing import Literal

from pydantic import BaseModel, Field, NonNegativeInt


class ClusterSettings(BaseModel):
    """Feature store, backfills and the pods of steps."""

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
