"""Runs the serving graph in one process, for one user or a batch of users."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.traces import tracing
from rec_assets.serving.graph.request import validate
from rec_assets.serving.graph.row_splits import ROW_SPLITS
from rec_assets.serving.graph.spec import RESPONSE, STAGES, StageSpec, local_name
from rec_assets.serving.stages import Arrays, Stage, load_stage
from rec_assets.serving.stages.catalog import CatalogWithBrands
from rec_assets.serving.stages.followed.attributes import FollowedAttributes
from rec_assets.serving.stages.followed.rules import FollowedRules, GetRules
from rec_assets.serving.stages.items import ItemLookup
from rec_assets.serving.stages.ordering import Ordering
from rec_assets.serving.stages.retrieval import Retrieval
from rec_assets.serving.stages.seen import SeenFilter
from rec_assets.settings import Settings


def load_stages(bundle: Bundle, settings: Settings, rules: GetRules | None = None) -> dict[str, Stage]:
    """Returns all stages of the graph by name, loaded from one bundle. Stages share item features and rules.

    Args:
        bundle: the bundle.
        settings: serving settings.
        rules: returns the active rules; by default, the stages follow the rules of the shop.
    """
    attributes = FollowedAttributes.load(settings)
    rules = rules or FollowedRules.load(bundle, settings, attributes)
    items = ItemLookup.load(bundle, settings)
    catalog = CatalogWithBrands(lambda: items.table, attributes)
    shared: dict[str, Stage] = {
        "feast_item_lookup": items,
        "faiss_retrieval": Retrieval.load(bundle, settings, catalog),
        "filter_seen_items": SeenFilter.load(bundle, settings, rules, catalog),
        "softmax_sampling": Ordering.load(bundle, settings, rules),
    }
    return {spec.name: shared.get(spec.name) or load_stage(spec.name, bundle, settings) for spec in STAGES}


def run(stages: Mapping[str, Stage], request: Mapping[str, npt.ArrayLike]) -> Arrays:
    """Answers a request of one or more users.

    Args:
        stages: all stages by name.
        request: `user_id` and optionally the other inputs of `graph.spec.REQUEST`, integers [B].

    Returns:
        `ordered_ids` int32 [N] and `ordered_scores` float32 [N], the lists of all users in a row; `row_splits`
        int64 [B + 1], the begin and end of each list; `bundle_id` [B] and `answer_id` [B].

    Raises:
        RequestError: the request is invalid.
    """
    return answer(stages, dict(validate(request)), needed(stages))


def needed(stages: Mapping[str, Stage]) -> tuple[StageSpec, ...]:
    """Returns the stages that the response depends on, each with the inputs that it reads.

    A stage with an attribute `unread` does not read these of its inputs. Other stages that only make them are left out.
    """
    wanted = {tensor.name for tensor in RESPONSE}
    specs: list[StageSpec] = []
    for spec in reversed(STAGES):
        if wanted.intersection(spec.makes):
            unread = getattr(stages[spec.name], "unread", ())
            specs.append(replace(spec, reads=tuple(name for name in spec.reads if local_name(name) not in unread)))
            wanted.update(specs[-1].reads)
    return tuple(reversed(specs))


def answer(stages: Mapping[str, Stage], request: Arrays, specs: Sequence[StageSpec] = STAGES) -> Arrays:
    """Answers a request that `request.validate` returned; returns the arrays of `run`.

    Arguments are those of `tensors_of`.
    """
    tensors = tensors_of(stages, request, specs)
    return {name: tensors[name] for name in (*(tensor.name for tensor in RESPONSE), ROW_SPLITS)}


def tensors_of(stages: Mapping[str, Stage], request: Arrays, specs: Sequence[StageSpec] = STAGES) -> Arrays:
    """Runs a request; returns all tensors of the graph, as `walk` yields them after the last stage.

    Args:
        stages: all stages by name.
        request: the inputs of `graph.spec.REQUEST` [B], and optionally `answer_id`, bytes [B].
        specs: the stages to run: all of them, or `needed(stages)`.
    """
    tensors = dict(request)
    for _, tensors in walk(stages, request, specs):  # noqa: B007 - only the tensors after the last stage are used
        pass
    return tensors


def walk(
    stages: Mapping[str, Stage], request: Arrays, specs: Sequence[StageSpec] = STAGES
) -> Iterator[tuple[str, Arrays]]:
    """Runs a request that `request.validate` returned, stage by stage.

    Yields:
        After each stage, the stage's name and all tensors of the graph so far. `row_splits` belongs to the last stage
        that changed the candidates; those of each such stage stay, for example `unseen/row_splits`.
    """
    tensors = dict(request)
    for spec in specs:
        inside = {name: tensors[name] for name in (*spec.reads_inside, ROW_SPLITS) if name in tensors}
        with tracing.span(spec.name):
            made = stages[spec.name]({local_name(name): tensors[name] for name in spec.reads} | inside)
        tensors |= {name: made[local_name(name)] for name in spec.makes}
        tensors |= {name: made[local_name(name)] for name in spec.makes_inside if local_name(name) in made}
        if ROW_SPLITS in made:
            tensors[ROW_SPLITS] = made[ROW_SPLITS]
        yield spec.name, tensors
