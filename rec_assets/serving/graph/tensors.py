"""The arrays that each stage reads and makes. Written by tools/stage-types from `spec`: change that instead.

Shapes in comments: B requests, N candidates of all requests. Triton's ensemble leaves out what is not required. A stage
that reads all arrays of an earlier one inherits them.
"""

from typing import Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[Any]


class ContextPreprocessorInputs(TypedDict):
    """Arrays that `context_preprocessor` reads."""

    device_type: NotRequired[Integers]  # [B]
    timestamp: NotRequired[Integers]  # [B]


class ContextPreprocessorOutputs(TypedDict):
    """Arrays that `context_preprocessor` makes."""

    device_type: Int32  # [B]
    timestamp: Int32  # [B]


class NvtContextTransformInputs(ContextPreprocessorOutputs):
    """Arrays that `nvt_context_transform` reads."""


class NvtContextTransformOutputs(TypedDict):
    """Arrays that `nvt_context_transform` makes."""

    device_type: Int32  # [B]
    hour_sine: Float32  # [B]
    hour_cosine: Float32  # [B]
    day_of_week_sine: Float32  # [B]
    day_of_week_cosine: Float32  # [B]


class FeastUserLookupInputs(TypedDict):
    """Arrays that `feast_user_lookup` reads."""

    user_id: Integers  # [B]


class FeastUserLookupOutputs(TypedDict):
    """Arrays that `feast_user_lookup` makes."""

    age: Float32  # [B]
    gender: Int32  # [B]
    top_category: Int32  # [B]
    recent_item_id: Int32  # [B, 400]
    recent_timestamp: Int64  # [B, 400]


class NvtUserTransformInputs(FeastUserLookupOutputs):
    """Arrays that `nvt_user_transform` reads."""

    timestamp: Int32  # [B]
    recent: NotRequired[Integers]  # [B, 50, 2]


class NvtUserTransformOutputs(TypedDict):
    """Arrays that `nvt_user_transform` makes."""

    age_norm: Float32  # [B]
    age_binned: Int32  # [B]
    gender: Int32  # [B]
    top_category: Int32  # [B]
    history_item_id: Int32  # [B, 400]
    history_timestamp: Int64  # [B, 400]
    history_hours: Float32  # [B, 400]


class QueryTowerInputs(NvtContextTransformOutputs):
    """Arrays that `query_tower` reads."""

    age_norm: Float32  # [B]
    age_binned: Int32  # [B]
    gender: Int32  # [B]
    top_category: Int32  # [B]
    history_item_id: Int32  # [B, 400]
    history_hours: Float32  # [B, 400]


class QueryTowerOutputs(TypedDict):
    """Arrays that `query_tower` makes."""

    query_embedding: Float32  # [B, 64]


class FaissRetrievalInputs(QueryTowerOutputs):
    """Arrays that `faiss_retrieval` reads."""

    history_item_id: Int32  # [B, 400]
    history_timestamp: Int64  # [B, 400]
    timestamp: Int32  # [B]
    filters: NotRequired[Texts]  # [B]


class FaissRetrievalOutputs(TypedDict):
    """Arrays that `faiss_retrieval` makes."""

    item_id: Int32  # [N]
    retrieval_score: Float32  # [N]
    row_splits: NotRequired[Int64]  # [B + 1]


class FilterSeenItemsInputs(FaissRetrievalOutputs):
    """Arrays that `filter_seen_items` reads."""

    user_id: Integers  # [B]
    history_item_id: Int32  # [B, 400]
    recent: NotRequired[Integers]  # [B, 50, 2]
    filters: NotRequired[Texts]  # [B]


class FilterSeenItemsOutputs(TypedDict):
    """Arrays that `filter_seen_items` makes."""

    item_id: Int32  # [N]
    retrieval_score: Float32  # [N]
    row_splits: NotRequired[Int64]  # [B + 1]


class FeastItemLookupInputs(TypedDict):
    """Arrays that `feast_item_lookup` reads."""

    item_id: Int32  # [N]
    row_splits: NotRequired[Int64]  # [B + 1]


class FeastItemLookupOutputs(TypedDict):
    """Arrays that `feast_item_lookup` makes."""

    item_id: Int32  # [N]
    category_l1: Int32  # [N]
    category_l2: Int32  # [N]
    item_gender: Int32  # [N]
    price: Float32  # [N]
    differs: NotRequired[Flags]  # [N]


class NvtItemTransformInputs(TypedDict):
    """Arrays that `nvt_item_transform` reads."""

    item_id: Int32  # [N]
    category_l1: Int32  # [N]
    category_l2: Int32  # [N]
    item_gender: Int32  # [N]
    price: Float32  # [N]
    row_splits: NotRequired[Int64]  # [B + 1]


class NvtItemTransformOutputs(TypedDict):
    """Arrays that `nvt_item_transform` makes."""

    item_id: Int32  # [N]
    category_l1: Int32  # [N]
    category_l2: Int32  # [N]
    item_gender: Int32  # [N]
    price_log_norm: Float32  # [N]


class MultimodalEmbeddingLookupInputs(TypedDict):
    """Arrays that `multimodal_embedding_lookup` reads."""

    item_id: Int32  # [N]
    row_splits: NotRequired[Int64]  # [B + 1]


class MultimodalEmbeddingLookupOutputs(TypedDict):
    """Arrays that `multimodal_embedding_lookup` makes."""

    image_embedding: Float32  # [N, 64]
    text_embedding: Float32  # [N, 64]


class UnrollFeaturesInputs(NvtContextTransformOutputs):
    """Arrays that `unroll_features` reads."""

    item_id: Int32  # [N]
    age_norm: Float32  # [B]
    age_binned: Int32  # [B]
    gender: Int32  # [B]
    top_category: Int32  # [B]
    history_item_id: Int32  # [B, 400]
    history_timestamp: Int64  # [B, 400]
    timestamp: Int32  # [B]
    row_splits: NotRequired[Int64]  # [B + 1]


class UnrollFeaturesOutputs(TypedDict):
    """Arrays that `unroll_features` makes."""

    age_norm: Float32  # [N]
    age_binned: Int32  # [N]
    gender: Int32  # [N]
    top_category: Int32  # [N]
    device_type: Int32  # [N]
    hour_sine: Float32  # [N]
    hour_cosine: Float32  # [N]
    day_of_week_sine: Float32  # [N]
    day_of_week_cosine: Float32  # [N]
    retrieval_rank: Float32  # [N]
    times_chosen: Float32  # [N]
    days_since: Float32  # [N]
    overdue: Float32  # [N]
    baskets_since: Float32  # [N]
    share_of_baskets: Float32  # [N]
    share_of_category_l2_rows: Float32  # [N]
    price_difference: Float32  # [N]
    neighbor_score: Float32  # [N]
    times_in_category_l2: Float32  # [N]
    affinity_to_category_l2: Float32  # [N]
    days_since_category_l2: Float32  # [N]
    times_in_category_l1: Float32  # [N]
    affinity_to_category_l1: Float32  # [N]
    days_since_category_l1: Float32  # [N]
    history_length: Float32  # [N]
    baskets: Float32  # [N]
    baskets_month: Float32  # [N]
    days_since_any: Float32  # [N]
    basket_size: Float32  # [N]
    repeat_share: Float32  # [N]
    popularity_day: Float32  # [N]
    popularity_week: Float32  # [N]
    popularity_month: Float32  # [N]
    popularity_trend: Float32  # [N]
    share_of_category: Float32  # [N]
    buyers: Float32  # [N]
    repurchase_rate: Float32  # [N]
    repurchase_days: Float32  # [N]
    first_purchases: Float32  # [N]
    item_age: Float32  # [N]


class DlrmRankingInputs(NvtItemTransformOutputs, MultimodalEmbeddingLookupOutputs, UnrollFeaturesOutputs):
    """Arrays that `dlrm_ranking` reads."""

    retrieval_score: Float32  # [N]
    row_splits: NotRequired[Int64]  # [B + 1]


class DlrmRankingOutputs(TypedDict):
    """Arrays that `dlrm_ranking` makes."""

    score: Float32  # [N]


class SoftmaxSamplingInputs(DlrmRankingOutputs):
    """Arrays that `softmax_sampling` reads."""

    item_id: Int32  # [N]
    top_k: NotRequired[Integers]  # [B]
    diversity: NotRequired[Integers]  # [B]
    filters: NotRequired[Texts]  # [B]
    answer_id: NotRequired[Texts]  # [B]
    row_splits: NotRequired[Int64]  # [B + 1]


class SoftmaxSamplingOutputs(TypedDict):
    """Arrays that `softmax_sampling` makes."""

    item_id: Int32  # [N]
    score: Float32  # [N]
    length: NotRequired[Int32]  # [N]
    is_sampled: NotRequired[Flags]  # [N]
    rules_version: NotRequired[Texts]  # [N]
    rules_at: NotRequired[Int64]  # [N]
    brand: NotRequired[Int32]  # [N]
    margin: NotRequired[Int32]  # [N]
    stock: NotRequired[Int32]  # [N]
    row_splits: NotRequired[Int64]  # [B + 1]


class ItemIdDecoderInputs(TypedDict):
    """Arrays that `item_id_decoder` reads."""

    item_id: Int32  # [N]
    score: Float32  # [N]
    answer_id: NotRequired[Texts]  # [B]
    row_splits: NotRequired[Int64]  # [B + 1]


class ItemIdDecoderOutputs(TypedDict):
    """Arrays that `item_id_decoder` makes."""

    ordered_ids: Int32  # [N]
    ordered_scores: Float32  # [N]
    bundle_id: Texts  # [B]
    answer_id: Texts  # [B]
