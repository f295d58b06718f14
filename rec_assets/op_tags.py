"""Where an asset runs on a cluster: the compute profiles, named once."""

from typing import Any

CPU: dict[str, Any] = {"rec_assets/profile": "cpu"}
GPU: dict[str, Any] = {"rec_assets/profile": "gpu"}
# One training at a time on a laptop's memory or a node's GPU.
TRAINING_POOL = "training"
# One promotion at a time.
PROMOTION_POOL = "promotion"
