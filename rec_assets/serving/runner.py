"""Runs the serving graph in one process, for one user or a batch."""

from collections.abc import Iterator, Mapping

import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.graph.request import validate
from rec_assets.serving.graph.row_splits import ROW_SPLITS
from rec_assets.serving.graph.spec import RESPONSE, STAGES, local_name
from rec_assets.serving.stages import Arrays, Stage, load_stage
from rec_assets.settings import Settings


def load_stages(bundle: Bundle, settings: Settings) -> dict[str, Stage]:
    """Loads every stage of the graph from one bundle, by name."""
    return {spec.name: load_stage(spec.name, bundle, settings) for spec in STAGES}


def run(stages: Mapping[str, Stage], request: Mapping[str, npt.ArrayLike]) -> Arrays:
    """Answers a request of one or more users.

    Args:
        stages: the stages by name.
        request: `user_id` and perhaps the other inputs of `graph.REQUEST`, integers [B].

    Returns:
        `ordered_ids` int32 [N] and `ordered_scores` float32 [N] of all users, one after the other, `row_splits`
        int64 [B + 1], which says where each list begins and ends, and `bundle_id` [B].

    Raises:
        RequestError: the request is not valid.
    """
    return answer(stages, dict(validate(request)))


def answer(stages: Mapping[str, Stage], request: Arrays) -> Arrays:
    """Answers what `request.validate` made, as `run` does."""
    tensors = dict(request)
    for _, tensors in walk(stages, request):  # noqa: B007 - what the last one leaves is the answer
        pass
    return {name: tensors[name] for name in (*(tensor.name for tensor in RESPONSE), ROW_SPLITS)}


def walk(stages: Mapping[str, Stage], request: Arrays) -> Iterator[tuple[str, Arrays]]:
    """Answers what `request.validate` made, stage by stage.

    Yields:
        After each stage its name, and all tensors of the graph that there are by then; `row_splits` among them is that
        of the last stage that made or left out candidates.
    """
    tensors = dict(request)
    for spec in STAGES:
        splits = {ROW_SPLITS: tensors[ROW_SPLITS]} if ROW_SPLITS in tensors else {}
        made = stages[spec.name]({local_name(name): tensors[name] for name in spec.reads} | splits)
        tensors |= {name: made[local_name(name)] for name in spec.makes}
        if ROW_SPLITS in made:
            tensors[ROW_SPLITS] = made[ROW_SPLITS]
        yield spec.name, tensors
