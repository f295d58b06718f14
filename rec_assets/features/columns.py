"""Names and dimensions of model inputs, shared by training, evaluation and serving."""

from rec_assets.features.signals.history_signals import HISTORY_SIGNALS
from rec_assets.features.signals.item_signals import ITEM_SIGNALS

USER_FEATURES = ("age_norm", "age_binned", "gender", "top_category")
CONTEXT_FEATURES = ("device_type", "hour_sine", "hour_cosine", "day_of_week_sine", "day_of_week_cosine")
ITEM_CODES = ("item_id", "category_l1", "category_l2", "item_gender")
ITEM_FEATURES = (*ITEM_CODES, "price_log_norm")
CONTENT_FEATURES = ("image_embedding", "text_embedding")
CONTENT_DIM = 64
EMBEDDING_DIM = 64  # length of query and item vectors

# Raw user id (-1 for an anonymous user) and unix seconds of the request: the key of a history.
REQUEST_USER_ID, TIMESTAMP = "request_user_id", "timestamp"
HISTORY_IDS, HISTORY_HOURS = "history_item_id", "history_hours"
HISTORY_READ = 50  # newest interactions that the query tower reads; more cost time and did not improve metrics
QUERY_FEATURES = (*USER_FEATURES, *CONTEXT_FEATURES, HISTORY_IDS, HISTORY_HOURS)

RETRIEVAL_SCORE, RETRIEVAL_RANK = "retrieval_score", "retrieval_rank"
SIGNALS = (RETRIEVAL_SCORE, RETRIEVAL_RANK, *HISTORY_SIGNALS, *ITEM_SIGNALS)
# No ids: the ranker would overfit to them and could not score unseen users or items.
RANKED_ITEM_FEATURES = tuple(name for name in ITEM_FEATURES if name != "item_id")
RANKER_FEATURES = (*USER_FEATURES, *CONTEXT_FEATURES, *RANKED_ITEM_FEATURES, *CONTENT_FEATURES, *SIGNALS)
