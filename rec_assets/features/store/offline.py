"""Offline source of Feast: the parquet file of an asset, or Athena tables with one partition per day.

Glue defines the tables and their daily partitions (deploy/cdk). Each day is a file below its own prefix, so a repeated
day replaces its file.
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
    """Returns the source of a feature view: a parquet file, or the table with the name of the view."""
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
    """Uploads a day to the table of a view; does nothing unless `feast_offline` is "athena".

    Args:
        settings: `feast_offline` and `feast_tables`.
        view: name of the view and its table.
        day: partition, ISO date.
        file: parquet file of the day, the only file in its folder.

    Raises:
        ActionableError: the upload fails, as in `Bucket`.
    """
    if settings.feast_offline == "athena":
        from rec_assets.storage.s3 import Bucket

        Bucket(settings.feast_tables).upload(file.parent, f"{view}/{PARTITION}={day}/")
