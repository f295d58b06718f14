"""The serving graph as plain data: the inputs and outputs of each stage.

Both Triton topologies are generated from this module. User-level tensors have one row per request. Candidate-level
tensors are flat and have one row per candidate.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from rec_assets.features import history
from rec_assets.features.columns import (
    CONTENT_DIM,
    CONTENT_FEATURES,
    CONTEXT_FEATURES,
    EMBEDDING_DIM,
    HISTORY_HOURS,
    HISTORY_IDS,
    HISTORY_READ,
    ITEM_FEATURES,
    RETRIEVAL_SCORE,
    SIGNALS,
    USER_FEATURES,
)
from rec_assets.serving.graph.filters import FILTERS
from rec_assets.serving.graph.row_splits import ROW_SPLITS

DType = Literal["INT32", "INT64", "FP32", "BYTES", "BOOL"]


@dataclass(frozen=True)
class Tensor:
    """A named array. `dims` excludes the row axis: `()` for a column, `(64,)` for one vector per row."""

    name: str
    dtype: DType
    dims: tuple[int, ...] = ()


RECENT: Final = "recent"  # the items of the user's session: pairs of raw item id and unix seconds
RECENT_LENGTH = HISTORY_READ  # items of a session; the query tower reads no more

BUNDLE_ID = Tensor("bundle_id", "BYTES")  # of the bundle that answered
ANSWER_ID = Tensor("answer_id", "BYTES")  # of the answer for one user; an empty text from Triton's ensemble
# Tensors inside one process: whether a candidate's features differ from the bundle's, and, for each request, the list's
# length, whether it is sampled, and the version of the shop's rules with the microsecond since which it is active.
DIFFERS = "raw_item/differs"
LENGTH, IS_SAMPLED = "sampled/length", "sampled/is_sampled"
RULES_VERSION, RULES_AT = "sampled/rules_version", "sampled/rules_at"
RULED = ("ruled/brand", "ruled/margin", "ruled/stock")  # of the candidates, where a rule of the shop reads them


@dataclass(frozen=True)
class StageSpec:
    """The inputs and outputs of one stage.

    `reads` and `makes` are tensor names that are unique in the graph. A stage and its Triton model use the local name,
    the part after the slash: `user/gender` and `candidate/gender` are both `gender` there.

    `reads_inside` and `makes_inside` exist only where one process runs the whole graph, and even there some may be
    absent. Stages of Triton's ensemble do without them. Stages that choose candidates make `row_splits`, and all stages
    after them may read the latest.
    """

    name: str
    reads: tuple[str, ...]
    makes: tuple[str, ...]
    reads_inside: tuple[str, ...] = ()
    makes_inside: tuple[str, ...] = ()


@cache  # called a hundred times per request
def local_name(tensor: str) -> str:
    """Returns a tensor's name inside a stage: `user/gender` → `gender`."""
    return tensor.rpartition("/")[2]


_RAW_USER = ("age", "gender", "top_category", "recent_item_id", "recent_timestamp")
_RETRIEVED = ("item_id", RETRIEVAL_SCORE)
_RAW_ITEM = ("item_id", "category_l1", "category_l2", "item_gender", "price")
_COMPUTED = tuple(name for name in SIGNALS if name != RETRIEVAL_SCORE)  # all signals but retrieval's own
_FLOATS = frozenset({"age", "age_norm", "price", "price_log_norm", "score", *CONTEXT_FEATURES[1:], *SIGNALS})

_HISTORY: dict[str, DType] = {
    "recent_item_id": "INT32",
    "recent_timestamp": "INT64",
    HISTORY_IDS: "INT32",
    "history_timestamp": "INT64",
    HISTORY_HOURS: "FP32",
}


_INSIDE: dict[str, DType] = {
    local_name(DIFFERS): "BOOL",
    local_name(LENGTH): "INT32",
    local_name(IS_SAMPLED): "BOOL",
    local_name(RULES_VERSION): "BYTES",
    local_name(RULES_AT): "INT64",
    ROW_SPLITS: "INT64",
}


def _at(level: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{level}/{name}" for name in names)


STAGES: tuple[StageSpec, ...] = (
    StageSpec("context_preprocessor", ("device_type", "timestamp"), _at("request", ("device_type", "timestamp"))),
    StageSpec("nvt_context_transform", _at("request", ("device_type", "timestamp")), _at("context", CONTEXT_FEATURES)),
    StageSpec("feast_user_lookup", ("user_id",), _at("raw_user", _RAW_USER)),
    StageSpec(
        "nvt_user_transform",
        (*_at("raw_user", _RAW_USER), "request/timestamp", RECENT),
        _at("user", (*USER_FEATURES, "history_item_id", "history_timestamp", "history_hours")),
    ),
    StageSpec(
        "query_tower",
        (*_at("user", USER_FEATURES), *_at("context", CONTEXT_FEATURES), *_at("user", (HISTORY_IDS, HISTORY_HOURS))),
        ("query/query_embedding",),
    ),
    StageSpec(
        "faiss_retrieval",
        ("query/query_embedding", *_at("user", (HISTORY_IDS, "history_timestamp")), "request/timestamp", FILTERS),
        _at("retrieved", _RETRIEVED),
        makes_inside=_at("retrieved", (ROW_SPLITS,)),
    ),
    StageSpec(
        "filter_seen_items",
        ("user_id", *_at("retrieved", _RETRIEVED), "user/history_item_id", RECENT, FILTERS),
        _at("unseen", _RETRIEVED),
        makes_inside=_at("unseen", (ROW_SPLITS,)),
    ),
    StageSpec(
        "feast_item_lookup",
        ("unseen/item_id",),
        _at("raw_item", _RAW_ITEM),
        makes_inside=(DIFFERS,),
    ),
    StageSpec(
        "nvt_item_transform",
        _at("raw_item", _RAW_ITEM),
        _at("item", ITEM_FEATURES),
    ),
    StageSpec("multimodal_embedding_lookup", ("item/item_id",), _at("item", CONTENT_FEATURES)),
    StageSpec(
        "unroll_features",
        (
            "item/item_id",
            *_at("user", (*USER_FEATURES, "history_item_id", "history_timestamp")),
            *_at("context", CONTEXT_FEATURES),
            "request/timestamp",
        ),
        _at("candidate", (*USER_FEATURES, *CONTEXT_FEATURES, *_COMPUTED)),
    ),
    StageSpec(
        "dlrm_ranking",
        (
            *_at("candidate", (*USER_FEATURES, *CONTEXT_FEATURES, *_COMPUTED)),
            *_at("item", (*ITEM_FEATURES, *CONTENT_FEATURES)),
            "unseen/retrieval_score",
        ),
        ("ranked/score",),
    ),
    StageSpec(
        "softmax_sampling",
        ("item/item_id", "ranked/score", "top_k", "diversity", FILTERS),
        _at("sampled", ("item_id", "score")),
        reads_inside=(ANSWER_ID.name,),
        makes_inside=(LENGTH, IS_SAMPLED, RULES_VERSION, RULES_AT, *RULED, f"sampled/{ROW_SPLITS}"),
    ),
    StageSpec(
        "item_id_decoder",
        _at("sampled", ("item_id", "score")),
        ("ordered_ids", "ordered_scores", "bundle_id", "answer_id"),
        reads_inside=(ANSWER_ID.name,),
    ),
)

# One row per user; all but `user_id` are optional. `serving.graph.request.validate` describes them. Values have 32
# bits, but Triton's HTTP API would cut a larger one without an error, so 64 bits reach the check.
REQUEST = (
    *(Tensor(name, "INT64") for name in ("user_id", "device_type", "timestamp", "top_k", "diversity")),
    Tensor(RECENT, "INT64", (RECENT_LENGTH, 2)),
    Tensor(FILTERS, "BYTES"),
)
LIST = (Tensor("ordered_ids", "INT32"), Tensor("ordered_scores", "FP32"), BUNDLE_ID)
RESPONSE = (*LIST, ANSWER_ID)

# The graph as a single stage, so that one process answers whole batches (`serving.runner`).
WHOLE = StageSpec("graph_runner", tuple(one.name for one in REQUEST), tuple(one.name for one in RESPONSE))

# The lists around a basket or a history, a model beside the graph. `graph.related_request` describes its inputs.
RELATED_REQUEST = tuple(Tensor(name, "INT64") for name in ("kind", "item_ids", "length", "user_id", "timestamp"))
REASON = Tensor("reason", "BYTES")  # why a list is empty; an empty text for other lists
RELATED_RESPONSE = (*LIST, REASON)
RELATED = StageSpec(
    "related_lists", tuple(one.name for one in RELATED_REQUEST), tuple(one.name for one in RELATED_RESPONSE)
)


def tensor(name: str) -> Tensor:
    """Returns the dtype and row shape of a tensor of the graph."""
    for known in REQUEST + RESPONSE + RELATED_RESPONSE + RELATED_REQUEST:
        if known.name == name:
            return known
    short = local_name(name)
    if short in CONTENT_FEATURES:
        return Tensor(name, "FP32", (CONTENT_DIM,))
    if short == "query_embedding":
        return Tensor(name, "FP32", (EMBEDDING_DIM,))
    if short in _INSIDE:
        return Tensor(name, _INSIDE[short])
    if short in _HISTORY:
        return Tensor(name, _HISTORY[short], (history.LENGTH,))
    if short in _FLOATS:
        return Tensor(name, "FP32")
    return Tensor(name, "INT32")
