"""Keeps the training libraries' start-up chatter out of the logs, so that what is printed there is worth reading."""

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

# TensorFlow logs these before it has read TF_CPP_MIN_LOG_LEVEL; warnings (W) and errors (E) have another first letter.
_BEFORE_LOGGING = re.compile(rb"WARNING: All log messages before absl|I0000 |To enable the following instructions")


def silence_tensorflow() -> None:
    """Call before TensorFlow, NVTabular or Merlin is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", module=r"(merlin|nvtabular|tensorflow|keras|dask|tf2onnx)")
    for name in ("tensorflow", "tf2onnx", "absl", "nvtabular", "distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _QuietImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietImport())


class _QuietImport(MetaPathFinder, Loader):
    """Imports TensorFlow once, without what it writes to the terminal meanwhile, and after torch's compiler.

    The compiler, the package `triton` of torch's builds for CUDA, crashes the process if TensorFlow was loaded first.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Takes `tensorflow` alone, loads it as anyone would, and is gone afterwards."""
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
    """Drops lines of file descriptor 2 that begin so, whoever writes them, C++ included; all others pass at once."""
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
        os.dup2(kept, 2)  # the pipe's last writer, unless a process was started meanwhile
        thread.join(timeout=1)
        os.close(kept)


def silence_deprecations() -> None:
    """For a person's terminal: what libraries deprecate among themselves is nothing that he can act on."""
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

    # A filter would not do: Feast and others put their own before it when they are imported.
    warnings.showwarning = show_others


def silence_dagster() -> None:
    """Backfill policies and check partitions are marked beta for years; said once here instead of on every import."""
    warnings.filterwarnings("ignore", message=r"(Parameter|Specifying) .* is currently in (beta|preview)")
    # A job of ingestion, which takes a range at once, and fine-tunes, which go day by day, is meant so.
    warnings.filterwarnings(
        "ignore", message=r"Asset job daily_update materializes assets with varying BackfillPolicies"
    )
