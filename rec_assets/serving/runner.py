"""Runs the serving graph in one process, for one user or a batch of users."""

from collections.abc import Iterator, Mapping

import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.graph.request import validate
from rec_assets.serving.graph.row_splits import ROW_SPLITS
from rec_assets.serving.graph.spec import RESPONSE, STAGES, local_name
from rec_assets.serving.stages import Arrays, Stage, load_stage
from rec_assets.settings import Settings


def load_stages(bundle: Bundle, settings: Settings) -> dict[str, Stage]:
    """Returns all stages of the graph by name, loaded from one bundle."""
    return {spec.name: load_stage(spec.name, bundle, settings) for spec in STAGES}


def run(stages: Mapping[str, Stage], request: Mapping[str, npt.ArrayLike]) -> Arrays:
    """Answers a request of one or more users.

    Args:
        stages: all stages by name.
        request: `user_id` and optionally the other inputs of `graph.spec.REQUEST`, integers [B].

    Returns:
        `ordered_ids` int32 [N] and `ordered_scores` float32 [N], the lists of all users in a row; `row_splits`
        int64 [B + 1], the begin and end of each list; and `bundle_id` [B].

    Raises:
        RequestError: the request is invalid.
    """
    return answer(stages, dict(validate(request)))


def answer(stages: Mapping[str, Stage], request: Arrays) -> Arrays:
    """Answers a request that `request.validate` returned; returns the arrays of `run`."""
    tensors = dict(request)
    for _, tensors in walk(stages, request):  # noqa: B007 - only the tensors after the last stage are used
        pass
    return {name: tensors[name] for name in (*(tensor.name for tensor in RESPONSE), ROW_SPLITS)}


def walk(stages: Mapping[str, Stage], request: Arrays) -> Iterator[tuple[str, Arrays]]:
    """Runs a request that `request.validate` returned, stage by stage.

    Yields:
        After each stage, the stage's name and all tensors of the graph so far. `row_splits` belongs to the last stage
        that changed the candidates.
    """
    tensors = dict(request)
    for spec in STAGES:
        splits = {ROW_SPLITS: tensors[ROW_SPLITS]} if ROW_SPLITS in tensors else {}
        made = stages[spec.name]({local_name(name): tensors[name] for name in spec.reads} | splits)
        tensors |= {name: made[local_name(name)] for name in spec.makes}
        if ROW_SPLITS in made:
            tensors[ROW_SPLITS] = made[ROW_SPLITS]
        yield spec.name, tensors
