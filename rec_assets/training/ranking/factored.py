"""The roles of the ranker's inputs, and the files of a factored ranker for a bundle."""

from pathlib import Path

from rec_assets.datasets.rows import Arrays
from rec_assets.features.columns import CONTENT_FEATURES, CONTEXT_FEATURES, ITEM_CODES, RANKER_FEATURES, USER_FEATURES
from rec_assets.inference.factored_ranker import write_item_tables
from rec_assets.training.export.affine import Role
from rec_assets.training.export.factor import factor

# All other inputs, such as signals, are of the candidate. The price is, too: the online store changes it every day.
ROLES = (
    dict.fromkeys(RANKER_FEATURES, Role.CANDIDATE)
    | dict.fromkeys((*USER_FEATURES, *CONTEXT_FEATURES), Role.REQUEST)
    | dict.fromkeys((*ITEM_CODES, *CONTENT_FEATURES), Role.ITEM)
)


def write_factored_ranker(file: Path, items: Arrays, folder: Path) -> None:
    """Writes the three models of a factored ranker, and its tables of all items.

    Args:
        file: the exported ranker.
        items: item features by encoded id, [v] or [v, d] each.
        folder: an existing folder.

    Raises:
        ActionableError: the ranker cannot be factored.
    """
    factor(file, ROLES, folder)
    write_item_tables(folder, items)
