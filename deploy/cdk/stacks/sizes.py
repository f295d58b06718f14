"""The size of Valkey by its number of users."""

USER_BYTES = 20_000  # features, 400 recent items, seen filter and preferences of one active user
# Share of memory for data. ElastiCache reserves a quarter for snapshots and fail-overs; the rest is for the stream.
FILLED = 0.6
# Node type → memory in GiB, from small to large.
SIZES = {
    "cache.t4g.small": 1.37,
    "cache.t4g.medium": 3.09,
    "cache.r7g.large": 13.07,
    "cache.r7g.xlarge": 26.32,
    "cache.r7g.2xlarge": 52.82,
    "cache.r7g.4xlarge": 105.81,
    "cache.r7g.8xlarge": 209.55,
    "cache.r7g.16xlarge": 419.09,
}


def node_for(users: int) -> str:
    """Returns the smallest node type that holds the state of all users.

    Raises:
        ValueError: one node is too small.
    """
    for size, memory in SIZES.items():
        if users * USER_BYTES <= memory * 2**30 * FILLED:
            return size
    raise ValueError(f"users is too large for one Valkey ({users}). Read docs/scaling.md, section engines.")
