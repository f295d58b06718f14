"""Runs the gates of `rec_assets.bundles.gate_results` on a bundle. Does not store the gate report."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.export_report import read_difference
from rec_assets.bundles.gate_results import GATES, Gate
from rec_assets.common.errors import ActionableError
from rec_assets.datasets.holdout_users import holdout_users_of
from rec_assets.datasets.item_table import ItemTable
from rec_assets.evaluation.bundles.compare import (
    CANDIDATE,
    LIVE,
    METRIC,
    MIN_USERS,
    POPULARITY,
    STANDARD_ERRORS,
    BundleComparison,
    compare_bundles,
)
from rec_assets.inference.item_index import MIN_RECALL, read_index, recall_against_exact
from rec_assets.inference.item_vectors import VECTORS, ItemVectors
from rec_assets.inference.lookups import FIRST_KNOWN, Lookups
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.serving.graph.request import validate
from rec_assets.serving.graph.spec import STAGES
from rec_assets.serving.runner import load_stages, run, walk
from rec_assets.serving.stages import Stage
from rec_assets.serving.stages.base import inputs_of
from rec_assets.serving.stages.followed.rules import no_rules
from rec_assets.settings import Settings

Figures = dict[str, float | str]
Answer = tuple[bool, str, Figures]

EXPORT_TOLERANCE = 1e-5  # largest difference of a feature or of an output of a model
WORSE_BY = 0.05  # tolerated loss as a share of the live bundle's metric, but at least `STANDARD_ERRORS`
_QUERIES = 200
_RANKER = next(spec for spec in STAGES if spec.name == "dlrm_ranking")


@dataclass(frozen=True)
class GateInputs:
    """Inputs of the gates.

    Attributes:
        bundle: directory of the bundle.
        live: directory of the live bundle; None without one, or if it was trained on rows of the holdout users.
        lookup_differences: returns the largest difference of each feature between NVTabular and given lookups.
        joined_day: file of the joined rows of the bundle's as-of day.
        joined_before: files of the joined rows of the days before.
        items: file of the item table of the as-of day.
        settings: serving settings, and the share of holdout users.
        holdout_seed: random seed for the draw of the holdout users.
        seed: random seed for the popularity baseline.
    """

    bundle: Path
    live: Path | None
    lookup_differences: Callable[[Lookups], dict[str, float]]
    joined_day: Path
    joined_before: list[Path]
    items: Path
    settings: Settings
    holdout_seed: int
    seed: int

    @cached_property
    def opened(self) -> Bundle:
        """Opens the bundle and verifies every part."""
        return Bundle.open(self.bundle, verify=True)

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """Loads the stages of the bundle, which ignore the rules of the shop."""
        return load_stages(self.opened, self.settings, no_rules)

    @property
    def users(self) -> list[int]:
        """Returns the raw ids of an anonymous user and of the first known users."""
        return [-1, *self.opened.lookups.vocabularies["user_id"][:3].tolist()]

    @cached_property
    def comparison(self) -> BundleComparison | None:
        """Compares the bundle, the live bundle and popularity on the holdout users; None without holdout users."""
        holdout_users = holdout_users_of(self.joined_day, self.settings.holdout_share, self.holdout_seed)
        if not len(holdout_users) or not self.joined_before:
            return None
        bundles = {CANDIDATE: self.opened}
        if self.live is not None:
            bundles[LIVE] = Bundle.open(self.live)
        items = ItemTable.load(self.items)
        return compare_bundles(
            bundles, self.joined_day, self.joined_before, holdout_users, items, self.settings, self.seed
        )


def run_gates(inputs: GateInputs) -> list[Gate]:
    """Runs all gates; a gate that raises an ActionableError fails with its message."""
    functions: dict[str, Callable[[GateInputs], Answer]] = {
        "parts_belong_together": _whole,
        "lookups_match_nvtabular": _workflow,
        "onnx_equals_checkpoint": _exports,
        "index_recall": _index,
        "answers_requests": _answers,
        "better_than_popularity": _popularity,
        "not_worse_than_live": _live,
    }
    gates = []
    for name in GATES:
        try:
            passed, message, figures = functions[name](inputs)
            gates.append(Gate(name=name, passed=bool(passed), message=message, figures=figures))
        except ActionableError as error:
            gates.append(Gate(name=name, passed=False, message=error.problem))
    return gates


def _whole(inputs: GateInputs) -> Answer:
    manifest = inputs.opened.manifest
    return True, "all parts are unchanged and come from one full training", {"full training": str(manifest.base)}


def _workflow(inputs: GateInputs) -> Answer:
    differences = inputs.lookup_differences(inputs.opened.lookups)
    column = max(differences, key=lambda name: differences[name])
    worst = differences[column]
    figures: Figures = {
        "tolerance": EXPORT_TOLERANCE,
        **{f"largest difference of {k}": v for k, v in differences.items()},
    }
    return worst <= EXPORT_TOLERANCE, f"the largest difference is {worst:.2g} ({column})", figures


def _exports(inputs: GateInputs) -> Answer:
    differences = {part: read_difference(inputs.opened.path / part) for part in ("query_tower", "dlrm")}
    differences["factored dlrm"] = _difference_of_scores(inputs)
    message = ", ".join(f"{part} differs by {value:.2g}" for part, value in differences.items())
    return max(differences.values()) <= EXPORT_TOLERANCE, message, {"tolerance": EXPORT_TOLERANCE, **differences}


def _difference_of_scores(inputs: GateInputs) -> float:
    """Returns the largest difference between the scores of the stage and the scores of the exported ranker."""
    *_, (_, tensors) = walk(inputs.stages, dict(validate({"user_id": inputs.users})))
    features = {name: tensors[tensor] for tensor, name in zip(_RANKER.reads, inputs_of(_RANKER.name), strict=True)}
    exported = OnnxModel(inputs.opened.file("dlrm"), tuple(features), 1)
    return float(np.abs(tensors[_RANKER.makes[0]] - exported(features)[:, 0]).max(initial=0))


def _index(inputs: GateInputs) -> Answer:
    bundle, depth = inputs.opened, inputs.settings.retrieval_topk
    index = read_index(bundle.file("item_index"))
    by_code = np.load(bundle.file("item_index").with_name(VECTORS))
    codes = np.flatnonzero(by_code.any(axis=1))
    codes = codes[codes >= FIRST_KNOWN]
    items = ItemVectors(bundle.lookups.decode("item_id", codes), by_code[codes])
    recall = recall_against_exact(index, items, items.vectors[:_QUERIES], depth)
    figures: Figures = {f"recall@{depth}": recall, "at least": MIN_RECALL, "items": float(len(codes))}
    return recall >= MIN_RECALL, f"recall@{depth} against exact search is {recall:.3f}", figures


def _answers(inputs: GateInputs) -> Answer:
    users = inputs.users
    output = run(inputs.stages, {"user_id": users})
    lengths, scores = np.diff(output["row_splits"]), output["ordered_scores"]
    is_valid = bool(lengths.min() > 0 and np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all())
    message = f"{len(users)} users, one of them anonymous, get lists of {lengths.min()} to {lengths.max()} items"
    return is_valid, message, {"shortest list": float(lengths.min()), "longest list": float(lengths.max())}


def _popularity(inputs: GateInputs) -> Answer:
    comparison = inputs.comparison
    if comparison is None:
        return True, "not compared: the day has no holdout users", {}
    result = comparison.compare(CANDIDATE, POPULARITY)
    users, tolerance = comparison.holdout_users, STANDARD_ERRORS * result.standard_error
    unclear = users < MIN_USERS or abs(result.difference) <= tolerance
    figure = f"{METRIC} {result.first:.4f}, popularity's is {result.second:.4f} ({users} holdout users)"
    figures: Figures = {
        CANDIDATE: result.first,
        POPULARITY: result.second,
        "standard error of the difference": result.standard_error,
        "holdout users": float(users),
    }
    message = f"{figure}: too few users to tell which is better" if unclear else figure
    return unclear or result.difference > 0, message, figures


def _live(inputs: GateInputs) -> Answer:
    comparison = inputs.comparison
    if inputs.live is None:
        return True, "not compared: no live bundle, or it was trained on rows of this day", {}
    if comparison is None:
        return True, "not compared: the day has no holdout users", {}
    result = comparison.compare(CANDIDATE, LIVE)
    tolerance = max(WORSE_BY * result.second, STANDARD_ERRORS * result.standard_error)
    message = f"{METRIC} {result.first:.4f}, the live bundle's is {result.second:.4f} (tolerance {tolerance:.4f})"
    figures: Figures = {
        CANDIDATE: result.first,
        LIVE: result.second,
        "tolerance": tolerance,
        "standard error": result.standard_error,
        "holdout users": float(comparison.holdout_users),
    }
    return result.difference >= -tolerance, message, figures
