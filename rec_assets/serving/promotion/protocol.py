"""Types shared by the coordinator of a promotion and the agents of the replicas."""

from dataclasses import dataclass

KEY_HEADER = "Control-Key"


@dataclass(frozen=True)
class Candidate:
    """A version of an asset partition in the artifact store, and the id that its bundle must have.

    Attributes:
        token: number of the promotion. An agent refuses a promotion with a lower number than it has seen.
    """

    asset: str
    partition: str
    digest: str
    bundle_id: str
    token: int = 0
