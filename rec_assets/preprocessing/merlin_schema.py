"""The schema of a workflow's output as JSON, limited to the fields that models read. Contains no local paths."""

import json
from pathlib import Path

from merlin.schema import ColumnSchema, Schema

from rec_assets.preprocessing.fit import WORKFLOW
from rec_assets.preprocessing.workflow import load_workflow

_PROPERTIES = ("domain", "embedding_sizes")


def write_schema(workflows: Path, file: Path) -> None:
    """Writes names, dtypes, tags and cardinalities of the full workflow's output; equal schemas give equal bytes."""
    columns = [
        {
            "name": column.name,
            "dtype": column.dtype.name,
            "tags": sorted(tag.value for tag in column.tags),
            "properties": {name: column.properties[name] for name in _PROPERTIES if name in column.properties},
        }
        for column in load_workflow(workflows / WORKFLOW).output_schema
    ]
    file.write_text(json.dumps(columns, indent=1, sort_keys=True))


def load_schema(file: Path) -> Schema:
    """Reads a file written by `write_schema`."""
    return Schema([ColumnSchema(**column) for column in json.loads(file.read_text())])
