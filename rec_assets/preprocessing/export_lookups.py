"""Exports a fitted workflow to the lookups that serving reads, from what NVTabular fitted and not from a second fit."""

from collections.abc import Iterator
from typing import Any

import nvtabular as nvt
from merlin.dag.ops.subgraph import Subgraph
from nvtabular import ops

from rec_assets.inference.lookups import Lookups
from rec_assets.preprocessing.vocabularies import AGE_BOUNDARIES, FitInputs


def export_lookups(workflow: nvt.Workflow, inputs: FitInputs) -> Lookups:
    """Reads the normalisation statistics out of the fitted graph; the vocabularies are those it was built with."""
    means: dict[str, float] = {}
    deviations: dict[str, float] = {}
    for operator in _operators(workflow.output_node):
        if isinstance(operator, ops.Normalize):
            means |= operator.means
            deviations |= operator.stds
    return Lookups(
        vocabularies=inputs.vocabularies,
        age_boundaries=AGE_BOUNDARIES,
        age_mean=inputs.mean_age,
        age_norm_mean=means["age"],
        age_std=deviations["age"],
        price_log_mean=means["price"],
        price_log_std=deviations["price"],
    )


def _operators(node: Any) -> Iterator[Any]:
    yield node.op
    if isinstance(node.op, Subgraph):
        yield from _operators(node.op.graph.output_node)
    for parent in node.parents_with_dependencies:
        yield from _operators(parent)
