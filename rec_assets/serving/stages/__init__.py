"""The stages of a request, one small class each: loaded from a bundle, then called with named arrays.

Nothing is imported until a stage is asked for, so that a process holds only the libraries of its own stages.
"""

from importlib import import_module

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.stages.base import Arrays, Stage
from rec_assets.settings import Settings

__all__ = ["Arrays", "Stage", "load_stage"]

_HOMES = {
    "context_preprocessor": ("context", "ContextPreprocessor"),
    "nvt_context_transform": ("context", "ContextTransform"),
    "feast_user_lookup": ("users", "UserLookup"),
    "nvt_user_transform": ("users", "UserTransform"),
    "query_tower": ("retrieval", "QueryTower"),
    "faiss_retrieval": ("retrieval", "Retrieval"),
    "filter_seen_items": ("seen", "SeenFilter"),
    "feast_item_lookup": ("items", "ItemLookup"),
    "nvt_item_transform": ("items", "ItemTransform"),
    "multimodal_embedding_lookup": ("items", "ContentLookup"),
    "unroll_features": ("ranking", "Unroll"),
    "dlrm_ranking": ("ranking", "Ranker"),
    "softmax_sampling": ("ordering", "Ordering"),
    "item_id_decoder": ("decoding", "Decoder"),
}


def load_stage(name: str, bundle: Bundle, settings: Settings) -> Stage:
    """Loads one stage of `rec_assets.serving.graph.spec.STAGES` by its name there.

    Raises:
        ActionableError: what the stage needs of the bundle is missing or does not fit.
        KeyError: there is no such stage.
    """
    module, kind = _HOMES[name]
    return getattr(import_module(f"{__name__}.{module}"), kind).load(bundle, settings)
