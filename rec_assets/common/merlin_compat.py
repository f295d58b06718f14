"""Runs Merlin and NVTabular of 2023, unchanged, on the TensorFlow, Keras, Dask and transformers of today.

The package installs it when it is imported, before any library that Merlin shares with others. It costs
milliseconds: every shim acts when Merlin asks for the old name. It contains no change to what Merlin computes.
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

# Read by TensorFlow when it is imported: `tf.keras` is Keras 2, the package tf-keras, which Merlin's layers are.
LEGACY_KERAS = ("TF_USE_LEGACY_KERAS", "1")
# Read by Dask when it is imported: merlin-core builds frames by `new_dd_object`, which only the classic ones have.
CLASSIC_DASK = ("DASK_DATAFRAME__QUERY_PLANNING", "False")

# Old name → where the same object lives now ("module" or "module:attribute").
RENAMED = {
    # `keras` was a package of its own for Keras 2; Keras 3 took the name, and tf-keras holds the old modules.
    "keras": "tf_keras.src",
    # Keras' re-export of TensorFlow's inspection helpers, dropped in 2.13.
    "keras.utils.tf_inspect": "tensorflow.python.util.tf_inspect",
    # Moved in TensorFlow 2.9, the old path dropped in 2.16.
    "tensorflow.python.training.tracking": "tensorflow.python.trackable",
    "tensorflow.python.training.tracking.data_structures": "tensorflow.python.trackable.data_structures",
    # Private in TensorFlow 2.12, dropped in 2.13; public all the time.
    "tensorflow.python.to_dlpack": "tensorflow.experimental.dlpack:to_dlpack",
    "tensorflow.python.from_dlpack": "tensorflow.experimental.dlpack:from_dlpack",
}
NEXT_STEP = (
    "Install the versions of requirements/lock.txt, or mend rec_assets/common/merlin_compat.py for the newer one."
)


class _Renamer(MetaPathFinder, Loader):
    """Answers imports of old names with the objects of today."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Takes the names of `RENAMED`, and everything below `keras`."""
        if name == "merlin.models.tf":
            _leave_transformers_out()
        return spec_from_loader(name, self, is_package=True) if name in RENAMED or name.startswith("keras.") else None

    def create_module(self, spec: ModuleSpec) -> None:
        """An empty module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Puts the object of today in the module's place; raises ModuleNotFoundError where Keras 2 has no such one."""
        name = module.__name__
        if name in RENAMED:
            sys.modules[name] = _resolve(name)
        else:
            sys.modules[name] = importlib.import_module(RENAMED["keras"] + name.removeprefix("keras"))


def install() -> None:
    """Makes Merlin importable in this process; a second call changes nothing.

    Raises:
        ActionableError: a library is missing, is of the wrong version, or was imported before.
    """
    if any(isinstance(finder, _Renamer) for finder in sys.meta_path):
        return
    if find_spec("merlin") is None:
        return  # an image without the extra `train`, which trains nothing
    for package in ("tf_keras", "dask"):
        if find_spec(package) is None:
            raise ActionableError(f"Merlin needs the package {package.replace('_', '-')}.", NEXT_STEP)
    os.environ.update((LEGACY_KERAS, CLASSIC_DASK))
    _refuse_if_imported("keras", "tf_keras.src")
    if getattr(sys.modules.get("dask.dataframe"), "DASK_EXPR_ENABLED", False):
        raise ActionableError(
            "dask.dataframe was imported before rec_assets.common.merlin_compat.",
            "Import it later, or set {}={}.".format(*CLASSIC_DASK),
        )
    if "dask" in sys.modules:  # it has read the environment
        sys.modules["dask"].config.set({"dataframe.query-planning": False})
    sys.meta_path.insert(0, _Renamer())


def _leave_transformers_out() -> None:
    """Merlin's transformer blocks derive from TFPreTrainedModel, gone in transformers 5; nothing here uses them."""
    dependencies = importlib.import_module("merlin.models.utils.dependencies")
    vars(dependencies)["is_transformers_available"] = lambda: False


def _resolve(old: str) -> Any:
    module, _, attribute = RENAMED[old].partition(":")
    try:
        found = importlib.import_module(module)
        return getattr(found, attribute) if attribute else found
    except (ImportError, AttributeError) as error:
        raise ActionableError(
            f"Merlin needs {old}, for which {RENAMED[old]} stood until now: {error}.", NEXT_STEP
        ) from error


def _refuse_if_imported(package: str, stand_in: str) -> None:
    loaded = sys.modules.get(package)
    if loaded is not None and loaded is not sys.modules.get(stand_in):
        raise ActionableError(
            f"{package} {getattr(loaded, '__version__', '')} was imported before rec_assets.common.merlin_compat.",
            f"Import {package} later: Merlin needs {stand_in} by that name.",
        )
