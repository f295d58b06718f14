"""Runs the 2023 releases of Merlin and NVTabular, unchanged, on today's TensorFlow, Keras, Dask and transformers.

`rec_assets` installs the shims at import, before any library that Merlin shares with others. This takes milliseconds,
because a shim acts only when Merlin imports an old name. Does not change any computation of Merlin.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import ModuleType
from typing import Any

from rec_assets.common.errors import ActionableError

# TensorFlow reads this variable at import: `tf.keras` becomes Keras 2 (package tf-keras), as Merlin's layers require.
LEGACY_KERAS = ("TF_USE_LEGACY_KERAS", "1")
# Dask reads this variable at import: merlin-core builds frames with `new_dd_object`, which only classic frames have.
CLASSIC_DASK = ("DASK_DATAFRAME__QUERY_PLANNING", "False")

# Old name → today's place of the same object ("module" or "module:attribute").
RENAMED = {
    # `keras` was Keras 2. Keras 3 took the name, and tf-keras holds the old modules.
    "keras": "tf_keras.src",
    # Keras re-exported TensorFlow's inspection helpers until 2.13.
    "keras.utils.tf_inspect": "tensorflow.python.util.tf_inspect",
    # Moved in TensorFlow 2.9; the old path was dropped in 2.16.
    "tensorflow.python.training.tracking": "tensorflow.python.trackable",
    "tensorflow.python.training.tracking.data_structures": "tensorflow.python.trackable.data_structures",
    # The private path was dropped in TensorFlow 2.13; the public path is stable.
    "tensorflow.python.to_dlpack": "tensorflow.experimental.dlpack:to_dlpack",
    "tensorflow.python.from_dlpack": "tensorflow.experimental.dlpack:from_dlpack",
}
NEXT_STEP = (
    "Install the versions of requirements/lock.txt, or adapt rec_assets/common/merlin_compat.py to the new version."
)


class _Renamer(MetaPathFinder, Loader):
    """Resolves imports of old names to today's objects."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Claims the names in `RENAMED` and every name below `keras`."""
        if name == "merlin.models.tf":
            _leave_transformers_out()
        return spec_from_loader(name, self, is_package=True) if name in RENAMED or name.startswith("keras.") else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Returns None: Python then creates an empty module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Replaces the module with today's object; raises ModuleNotFoundError if Keras 2 has no such module."""
        name = module.__name__
        if name in RENAMED:
            sys.modules[name] = resolve(name)
        else:
            sys.modules[name] = importlib.import_module(RENAMED["keras"] + name.removeprefix("keras"))


def install() -> None:
    """Makes Merlin importable in this process; a second call changes nothing.

    Raises:
        ActionableError: a library is missing, has the wrong version, or was imported too early.
    """
    if any(isinstance(finder, _Renamer) for finder in sys.meta_path):
        return
    if find_spec("merlin") is None:
        return  # an image without the `train` extra does not train
    for package in ("tf_keras", "dask"):
        if find_spec(package) is None:
            raise ActionableError(f"Merlin needs {package.replace('_', '-')}, which is not installed.", NEXT_STEP)
    os.environ.update((LEGACY_KERAS, CLASSIC_DASK))
    _refuse_if_imported("keras", "tf_keras.src")
    if getattr(sys.modules.get("dask.dataframe"), "DASK_EXPR_ENABLED", False):
        raise ActionableError(
            "dask.dataframe was imported before rec_assets.common.merlin_compat.",
            "Import dask.dataframe later, or set {}={}.".format(*CLASSIC_DASK),
        )
    if "dask" in sys.modules:  # too late for the environment variable
        sys.modules["dask"].config.set({"dataframe.query-planning": False})
    sys.meta_path.insert(0, _Renamer())


def _leave_transformers_out() -> None:
    """Disables Merlin's transformer blocks: they need TFPreTrainedModel, which transformers 5 dropped; unused here."""
    dependencies = importlib.import_module("merlin.models.utils.dependencies")
    vars(dependencies)["is_transformers_available"] = lambda: False


def resolve(old: str) -> Any:
    """Returns today's object of an old name; raises ActionableError if the libraries do not have it."""
    module, _, attribute = RENAMED[old].partition(":")
    try:
        found = importlib.import_module(module)
        return getattr(found, attribute) if attribute else found
    except (ImportError, AttributeError) as error:
        raise ActionableError(
            f"Merlin needs {old}, but its replacement {RENAMED[old]} cannot be imported: {error}.", NEXT_STEP
        ) from error


def _refuse_if_imported(package: str, stand_in: str) -> None:
    loaded = sys.modules.get(package)
    if loaded is not None and loaded is not sys.modules.get(stand_in):
        raise ActionableError(
            f"{package} {getattr(loaded, '__version__', '')} was imported before rec_assets.common.merlin_compat.",
            f"Import {package} later: Merlin needs {stand_in} under that name.",
        )
