"""Names of all keys in Valkey, except the keys of Feast, which end with its project's name.

All keys are in one database, because a cluster has only one. Keys with the same text in braces are in one slot of a
cluster, so one transaction may change them together.
"""

IDENTITY = "rec_assets:identity"
EVENTS, DEAD_LETTERS = "events", "{events}:dead"
ANSWERS = "answers"
RETIRED_USERS, USERS_TO_FORGET, FORGETTING_LOCK = "retired_users", "users_to_forget", "users_to_forget:lock"
UNAVAILABLE_ITEMS, ITEM_ATTRIBUTES, SHOP_RULES = "items:unavailable", "items:attributes", "shop:rules"
ITEM_VERSION = "item_features:version"
WRITTEN_DAYS, WRITING_LOCK = "features:written", "features:writing"
CANARY_ROUTE = "canary:route"


def recent_items(user_id: int) -> str:
    """Returns the key of a user's history."""
    return f"user:{{{user_id}}}:recent_items"


def seen_items(user_id: int) -> str:
    """Returns the key of a user's seen filter."""
    return f"user:{{{user_id}}}:seen"


def activity(user_id: int) -> str:
    """Returns the key of a user's activity."""
    return f"user:{{{user_id}}}:activity"


def canary_counts(bundle_id: str) -> str:
    """Returns the key of the counts of a candidate."""
    return f"canary:counts:{bundle_id}"


def trending(shard: int) -> str:
    """Returns the first part of the keys of trending items: `{trending:0}`."""
    return f"{{trending:{shard}}}"
