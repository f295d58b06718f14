"""Terms that the coordinator of a promotion and the agents of the replicas share."""

from dataclasses import dataclass

KEY_HEADER = "Control-Key"


@dataclass(frozen=True)
class Candidate:
    """A bundle in the artifact store, and the id it must have."""

    asset: str
    partition: str
    bundle_id: str
