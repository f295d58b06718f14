"""The stages of a request: one small class each, loaded from a bundle and called with named arrays.

The module of a stage is imported when the stage is loaded, so a process imports only the libraries of its own stages.
"""

from importlib import import_module

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.stages.base import Arrays, Stage
from rec_assets.settings import Settings

__all__ = ["Arrays", "Stage", "load_stage"]

_CLASSES = {
    "context_preprocessor": ("context", "ContextPreprocessor"),
    "nvt_context_transform": ("context", "ContextTransform"),
    "feast_user_lookup": ("users", "UserLookup"),
    "nvt_user_transform": ("users", "UserTransform"),
    "query_tower": ("retrieval", "QueryEncoding"),
    "faiss_retrieval": ("retrieval", "Retrieval"),
    "filter_seen_items": ("seen", "SeenFilter"),
    "feast_item_lookup": ("items", "ItemLookup"),
    "nvt_item_transform": ("items", "ItemTransform"),
    "multimodal_embedding_lookup": ("items", "ContentLookup"),
    "unroll_features": ("ranking", "Unroll"),
    "dlrm_ranking": ("ranking", "Ranking"),
    "softmax_sampling": ("ordering", "Ordering"),
    "item_id_decoder": ("decoding", "Decoder"),
    "related_lists": ("related.lists", "RelatedLists"),
}


def load_stage(name: str, bundle: Bundle, settings: Settings) -> Stage:
    """Loads the stage with this name in `rec_assets.serving.graph.spec`, `STAGES` or `RELATED`.

    Raises:
        ActionableError: a part of the bundle that the stage needs is missing or does not fit.
        KeyError: no stage has this name.
    """
    module, class_name = _CLASSES[name]
    return getattr(import_module(f"{__name__}.{module}"), class_name).load(bundle, settings)
