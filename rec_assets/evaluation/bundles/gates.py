"""The gates of `rec_assets.bundles.gate_results`, tried on a bundle: each compares what must agree, or be as good."""

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
from rec_assets.evaluation.bundles.compare import CANDIDATE, LIVE, METRIC, POPULARITY, BundleComparison, compare_bundles
from rec_assets.inference.item_index import MIN_RECALL, read_index, recall_against_exact
from rec_assets.inference.item_vectors import VECTORS, ItemVectors
from rec_assets.inference.lookups import FIRST_KNOWN
from rec_assets.preprocessing.parity import largest_differences
from rec_assets.serving.runner import load_stages, run
from rec_assets.settings import Settings

Figures = dict[str, float | str]
Answer = tuple[bool, str, Figures]

EXPORT_TOLERANCE = 1e-5  # of any feature, or of any output of a model
WORSE_BY = 0.05  # of the live bundle's metric; more is a failure where it is also more than chance
STANDARD_ERRORS = 2.0
_QUERIES = 200


@dataclass(frozen=True)
class GateInputs:
    """Inputs of the gates.

    Attributes:
        bundle: its directory.
        live: the directory of the live bundle, None where none is live or it has learned the judges' rows.
        workflows: NVTabular's workflows of the full training behind it.
        joined_day: the joined rows of its as-of day.
        joined_before: those of the days before.
        items: the item table of its day.
        settings: how it is to be served, and the share of users who judge.
        holdout_seed, seed: of their draw, and of the rest.
    """

    bundle: Path
    live: Path | None
    workflows: Path
    joined_day: Path
    joined_before: list[Path]
    items: Path
    settings: Settings
    holdout_seed: int
    seed: int

    @cached_property
    def opened(self) -> Bundle:
        """The bundle, every byte of it verified."""
        return Bundle.open(self.bundle, verify=True)

    @cached_property
    def duel(self) -> BundleComparison | None:
        """The bundle, the live one and popularity before the judges; None where nobody judges."""
        judges = holdout_users_of(self.joined_day, self.settings.holdout_share, self.holdout_seed)
        if not len(judges) or not self.joined_before:
            return None
        bundles = {CANDIDATE: self.opened}
        if self.live is not None:
            bundles[LIVE] = Bundle.open(self.live)
        items = ItemTable.load(self.items)
        return compare_bundles(bundles, self.joined_day, self.joined_before, judges, items, self.settings, self.seed)


def run_gates(hearing: GateInputs) -> list[Gate]:
    """Tries all gates; one that cannot be tried for what is wrong with the bundle is failed with the reason."""
    tried: dict[str, Callable[[GateInputs], Answer]] = {
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
            passed, told, figures = tried[name](hearing)
            gates.append(Gate(name=name, passed=bool(passed), message=told, figures=figures))
        except ActionableError as error:
            gates.append(Gate(name=name, passed=False, message=error.problem))
    return gates


def _whole(hearing: GateInputs) -> Answer:
    manifest = hearing.opened.manifest
    return True, "every part is what was written, and of one full training", {"full training": str(manifest.base)}


def _workflow(hearing: GateInputs) -> Answer:
    differences = largest_differences(hearing.workflows, hearing.opened.lookups)
    worst = max(differences, key=lambda name: differences[name])
    figures: Figures = {
        "tolerance": EXPORT_TOLERANCE,
        **{f"largest difference of {k}": v for k, v in differences.items()},
    }
    return differences[worst] <= EXPORT_TOLERANCE, f"differs by {differences[worst]:.2g} at most, in {worst}", figures


def _exports(hearing: GateInputs) -> Answer:
    found = {part: read_difference(hearing.opened.path / part) for part in ("query_tower", "dlrm")}
    told = ", ".join(f"{part} differs by {value:.2g}" for part, value in found.items())
    return max(found.values()) <= EXPORT_TOLERANCE, told, {"tolerance": EXPORT_TOLERANCE, **found}


def _index(hearing: GateInputs) -> Answer:
    bundle, depth = hearing.opened, hearing.settings.retrieval_topk
    index = read_index(bundle.file("item_index"))
    by_code = np.load(bundle.file("item_index").with_name(VECTORS))
    codes = np.flatnonzero(by_code.any(axis=1))
    codes = codes[codes >= FIRST_KNOWN]
    items = ItemVectors(bundle.lookups.decode("item_id", codes), by_code[codes])
    recall = recall_against_exact(index, items, items.vectors[:_QUERIES], depth)
    figures: Figures = {f"recall@{depth}": recall, "at least": MIN_RECALL, "items": float(len(codes))}
    return recall >= MIN_RECALL, f"recall@{depth} against exact search is {recall:.3f}", figures


def _answers(hearing: GateInputs) -> Answer:
    bundle = hearing.opened
    users = [-1, *bundle.lookups.vocabularies["user_id"][:3].tolist()]
    made = run(load_stages(bundle, hearing.settings), {"user_id": users})
    lengths, scores = np.diff(made["row_splits"]), made["ordered_scores"]
    fine = bool(lengths.min() > 0 and np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all())
    told = f"{len(users)} users, a stranger among them, get lists of {lengths.min()} to {lengths.max()} items"
    return fine, told, {"shortest list": float(lengths.min()), "longest list": float(lengths.max())}


def _popularity(hearing: GateInputs) -> Answer:
    duel = hearing.duel
    if duel is None:
        return True, "nobody judges: the day has no rows", {}
    found = duel.compare(CANDIDATE, POPULARITY)
    told = f"{METRIC} {found.first:.4f}, popularity's is {found.second:.4f} ({duel.judges} judges)"
    return found.difference > 0, told, {CANDIDATE: found.first, POPULARITY: found.second, "judges": float(duel.judges)}


def _live(hearing: GateInputs) -> Answer:
    duel = hearing.duel
    if hearing.live is None:
        return True, "no bundle is live that has not learned from this day", {}
    if duel is None:
        return True, "nobody judges: the day has no rows", {}
    found = duel.compare(CANDIDATE, LIVE)
    tolerance = max(WORSE_BY * found.second, STANDARD_ERRORS * found.standard_error)
    told = f"{METRIC} {found.first:.4f}, the live bundle's is {found.second:.4f} (tolerance {tolerance:.4f})"
    figures: Figures = {
        CANDIDATE: found.first,
        LIVE: found.second,
        "tolerance": tolerance,
        "standard error": found.standard_error,
        "judges": float(duel.judges),
    }
    return found.difference >= -tolerance, told, figures
