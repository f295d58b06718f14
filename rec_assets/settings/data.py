"""Settings of the artifacts and of raw data."""

from datetime import date
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from rec_assets.common.file_limits import FileLimits

DEFAULT_SOURCE: Final = "retail"
DEFAULT_HOME = Path(".rec")
SHOP_FILE = Path("shop.toml")


class DataSettings(BaseModel):
    """Places of artifacts and raw data, days and sizes of the source."""

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
    image_connections: PositiveInt = Field(
        8, description="source=shop: number of images that are downloaded at a time."
    )
    image_private_hosts: bool = Field(
        False, description="source=shop: download images from private networks and from this machine, too."
    )
    image_refresh_days: NonNegativeFloat = Field(
        7, description="source=shop: days after which a server is asked whether a downloaded image has changed."
    )
    max_unknown_share: float = Field(
        0.5, ge=0, le=1, description="Largest share of a day's rows with items outside the catalog; more fails the day."
    )

    @property
    def file_limits(self) -> FileLimits:
        """Limits of data files."""
        return FileLimits(self.max_file_mb, self.max_row_group_mb)
