"""Keeps the training libraries' start-up chatter out of the logs, so that what is printed there is worth reading."""

import logging
import os
import warnings
from typing import TextIO


def quiet_tensorflow() -> None:
    """Call before TensorFlow, NVTabular or Merlin is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # reproducible sums, at no cost at these sizes
    warnings.filterwarnings("ignore", module=r"(merlin|nvtabular|tensorflow|keras|dask|tf2onnx)")
    for name in ("tensorflow", "tf2onnx", "absl", "nvtabular", "distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)


def quiet_deprecations() -> None:
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


def quiet_dagster() -> None:
    """Backfill policies and check partitions are marked beta for years; said once here instead of on every import."""
    warnings.filterwarnings("ignore", message=r"(Parameter|Specifying) .* is currently in (beta|preview)")
    # A job of ingestion, which takes a range at once, and fine-tunes, which go day by day, is meant so.
    warnings.filterwarnings("ignore", message=r"Asset job every_day materializes assets with varying BackfillPolicies")
