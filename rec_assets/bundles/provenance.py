"""Lineage of a bundle part, stored beside its files. A bundle cannot combine parts of different lineages."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from rec_assets.common.errors import ActionableError
from rec_assets.inference.lookups import Lookups

FILE = "lineage.json"
_SHORT = 12  # hex digits that a message shows


class Lineage(BaseModel):
    """The full training behind a part and the artifacts that the part depends on; None for no dependency.

    Attributes:
        base: as-of day of the full training.
        parent: day of the checkpoint that a fine-tune starts from.
        workflow: digest of the fitted lookups; the part reads the codes of these lookups.
        towers: digest of the weights of the two towers; query and item vectors are in the space of these towers.
        codes: digest of the item codes; tables by item code must use the same codes.
    """

    model_config = ConfigDict(frozen=True)

    base: str
    parent: str | None = None
    workflow: str | None = None
    towers: str | None = None
    codes: str | None = None

    def write(self, folder: Path) -> "Lineage":
        """Writes the lineage beside the files of a part."""
        (folder / FILE).write_text(self.model_dump_json(exclude_none=True) + "\n")
        return self

    @classmethod
    def read(cls, folder: Path) -> "Lineage":
        """Reads a file written by `write`; raises ActionableError if it is missing or invalid."""
        try:
            return cls.model_validate_json((folder / FILE).read_bytes())
        except (OSError, ValidationError) as error:
            raise ActionableError(
                f"The lineage of {folder} cannot be read ({error}).", "Materialize the asset again."
            ) from error

    def replace(self, **changes: str | None) -> "Lineage":
        """Returns a copy with some values changed."""
        return self.model_copy(update=changes)


def codes_of(lookups: Lookups) -> str:
    """Returns the digest of the item codes."""
    return sha256(np.ascontiguousarray(lookups.vocabularies["item_id"], np.int64).tobytes()).hexdigest()


def require_same(parts: Mapping[str, Lineage]) -> None:
    """Compares the lineages of parts.

    Args:
        parts: part name to lineage.

    Raises:
        ActionableError: two parts depend on different workflows, towers or item codes; the message names both parts.
    """
    for attribute in ("workflow", "towers", "codes"):
        first: tuple[str, Lineage] | None = None
        for name, lineage in sorted(parts.items()):
            if getattr(lineage, attribute) is None:
                continue
            if first is None:
                first = name, lineage
            elif getattr(lineage, attribute) != getattr(first[1], attribute):
                raise ActionableError(
                    f"Bundle parts differ ({_describe(*first, attribute)}, but {_describe(name, lineage, attribute)}).",
                    "Materialize the bundle's assets again for one day.",
                )


def _describe(name: str, lineage: Lineage, attribute: str) -> str:
    return f"{name} has {attribute} {getattr(lineage, attribute)[:_SHORT]} of the full training of {lineage.base}"
