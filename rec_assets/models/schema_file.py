"""A Merlin schema as JSON: what the models read of it, in a stated order, without the paths NVTabular leaves in it."""

import json
from pathlib import Path

from merlin.schema import ColumnSchema, Schema

_PROPERTIES = ("domain", "embedding_sizes")


def save_schema(schema: Schema, file: Path) -> None:
    """Writes names, dtypes, tags and cardinalities; equal schemas give equal bytes."""
    columns = [
        {
            "name": column.name,
            "dtype": column.dtype.name,
            "tags": sorted(tag.value for tag in column.tags),
            "properties": {name: column.properties[name] for name in _PROPERTIES if name in column.properties},
        }
        for column in schema
    ]
    file.write_text(json.dumps(columns, indent=1, sort_keys=True))


def load_schema(file: Path) -> Schema:
    """Reads what `save_schema` wrote."""
    return Schema([ColumnSchema(**column) for column in json.loads(file.read_text())])
