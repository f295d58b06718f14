"""Limits of data files, tested before a file is read: parquet of kilobytes can hold gigabytes of equal values."""

from dataclasses import dataclass
from typing import IO, Any

from rec_assets.common.errors import ActionableError

MB = 1_000_000
# Bytes of a decoded value by its type in parquet; texts also take what is stored of them.
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
_TEXT_WIDTH = 16


@dataclass(frozen=True)
class FileLimits:
    """Largest sizes in memory, in MB.

    Attributes:
        file: size of the rows of one file.
        row_group: size of one row group of a parquet file.
    """

    file: int = 4_000
    row_group: int = 2_000

    def require_size(self, name: str, size: int) -> None:
        """Raises ActionableError if a file of `size` bytes is too large."""
        _require(name, "", size, self.file, "REC_MAX_FILE_MB")

    def require_parquet(self, name: str, file: str | IO[bytes]) -> None:
        """Reads only the metadata of a parquet file.

        Args:
            name: name of the file in messages.
            file: path, or an opened file.

        Raises:
            ActionableError: the rows of the file, or of a row group, would take too much memory.
            pyarrow.ArrowInvalid: the file is not parquet.
        """
        import pyarrow.parquet as pq

        metadata = pq.read_metadata(file)
        groups = [_decoded_size(metadata.row_group(number)) for number in range(metadata.num_row_groups)]
        rows = f" ({metadata.num_rows:,} rows)"
        _require(name, rows, sum(groups), self.file, "REC_MAX_FILE_MB")
        _require(f"A row group of {name}", rows, max(groups, default=0), self.row_group, "REC_MAX_ROW_GROUP_MB")


def _decoded_size(group: Any) -> int:
    columns = [group.column(number) for number in range(group.num_columns)]
    return sum(
        column.num_values * _WIDTHS.get(column.physical_type, _TEXT_WIDTH) + column.total_uncompressed_size
        for column in columns
    )


def _require(name: str, rows: str, size: int, limit: int, setting: str) -> None:
    if size > limit * MB:
        raise ActionableError(
            f"{name}{rows} takes {size // MB:,} MB of memory, more than the limit of {limit:,} MB.",
            f"Check the file. If it is right, split it, or set {setting}.",
        )
