"""Offline source of Feast: the step's own parquet, or tables of Athena that each day is added to.

The tables and their partitions by day are in Glue (deploy/eks/aws.yaml); a day is a file below its own prefix, so a
repeated day replaces it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rec_assets.settings import Settings

if TYPE_CHECKING:
    from feast.data_source import DataSource

CATALOG = "AwsDataCatalog"
PARTITION = "day"


def offline_config(settings: Settings) -> dict[str, Any]:
    """Returns the part `offline_store` of Feast's configuration."""
    if settings.feast_offline == "file":
        return {"type": "file"}
    return {
        "type": "athena",
        "region": settings.athena_region,
        "data_source": CATALOG,
        "database": settings.athena_database,
        "workgroup": settings.athena_workgroup,
        "s3_staging_location": settings.athena_results,
    }


def batch_source(settings: Settings, view: str, file: Path, timestamp: str) -> "DataSource":
    """Returns what a feature view is read from: a parquet file, or the table that is called like the view."""
    if settings.feast_offline == "file":
        from feast import FileSource

        return FileSource(name=f"{view}_file", path=str(file.absolute()), timestamp_field=timestamp)
    from feast.infra.offline_stores.contrib.athena_offline_store.athena_source import AthenaSource

    return AthenaSource(
        name=f"{view}_table",
        table=view,
        database=settings.athena_database,
        data_source=CATALOG,
        timestamp_field=timestamp,
        date_partition_column=PARTITION,
    )


def land(settings: Settings, view: str, day: str, file: Path) -> None:
    """Adds a day to the table of a view, where there is one.

    Args:
        settings: `feast_offline` and `feast_tables`.
        view: the name of the view and its table.
        day: the partition, ISO date.
        file: the day's parquet, alone in its folder.

    Raises:
        ActionableError: as `Bucket`.
    """
    if settings.feast_offline == "athena":
        from rec_assets.storage.s3 import Bucket

        Bucket(settings.feast_tables).upload(file.parent, f"{view}/{PARTITION}={day}/")
