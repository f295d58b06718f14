"""Silences start-up messages and irrelevant warnings of libraries."""

import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import TextIO

# TensorFlow logs these lines before it reads TF_CPP_MIN_LOG_LEVEL. Warnings (W) and errors (E) begin differently.
_BEFORE_LOGGING = re.compile(rb"WARNING: All log messages before absl|I0000 |To enable the following instructions")


def silence_tensorflow() -> None:
    """Silences TensorFlow, NVTabular and Merlin; must run before they are imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", module=r"(merlin|nvtabular|tensorflow|keras|dask|tf2onnx)")
    for name in ("tensorflow", "tf2onnx", "absl", "nvtabular", "distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _QuietImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietImport())


class _QuietImport(MetaPathFinder, Loader):
    """Imports torch's compiler and then TensorFlow, once, and filters TensorFlow's output during the import.

    The compiler is the package `triton` of torch's CUDA builds. It crashes the process if TensorFlow was loaded first.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Claims only `tensorflow`, and removes itself from `sys.meta_path` when it does."""
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            self.loader, spec.loader = spec.loader, self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module with a filtered standard error."""
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        if find_spec("triton") is not None:
            import_module("triton")
        with _stderr_without(_BEFORE_LOGGING):
            self.loader.exec_module(module)


@contextmanager
def _stderr_without(lines: re.Pattern[bytes]) -> Iterator[None]:
    """Drops lines of file descriptor 2 that match, including output of C++; forwards other lines at once.

    Args:
        lines: matched against the beginning of each line.
    """
    kept, (read, write) = os.dup(2), os.pipe()
    os.dup2(write, 2)
    os.close(write)

    def forward() -> None:
        with open(read, "rb", buffering=0) as source:
            for line in iter(source.readline, b""):
                if not lines.match(line):
                    os.write(kept, line)

    thread = threading.Thread(target=forward, daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.dup2(kept, 2)  # closes the last writer of the pipe, unless a child process inherited one
        thread.join(timeout=1)
        os.close(kept)


def silence_deprecations() -> None:
    """Hides deprecation warnings between libraries on a terminal: its user cannot act on them."""
    show = warnings.showwarning

    def show_others(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, (DeprecationWarning, FutureWarning)):
            show(message, category, filename, lineno, file, line)

    # Not a filter: Feast and others insert their own filters before it at import.
    warnings.showwarning = show_others


def silence_dagster() -> None:
    """Hides Dagster's warnings of beta features, and of one job whose assets have two backfill policies."""
    warnings.filterwarnings("ignore", message=r"(Parameter|Specifying) .* is currently in (beta|preview)")
    # Freshness policies test the time of a materialization; these checks test its day.
    warnings.filterwarnings("ignore", message=r"Function `build_.*freshness_checks` is superseded")
    # Intended: ingestion takes a range of days per run, and a fine-tune takes one day.
    warnings.filterwarnings("ignore", message=r"Asset job daily_update materializes assets with varying Backfill")
