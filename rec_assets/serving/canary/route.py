"""The route of a canary: the share of the users that its candidate answers, chosen by a hash of their id."""

from hashlib import blake2b

from pydantic import BaseModel, ConfigDict, Field

_HASHES = 2**64


class Route(BaseModel):
    """The candidate that clients ask.

    Attributes:
        bundle_id: id of the candidate; other candidates get other users.
        share: share of the users who get the candidate's lists.
        shadow: share of the other requests that the candidate answers too, for the comparison only.
    """

    model_config = ConfigDict(frozen=True)

    bundle_id: str
    share: float = Field(ge=0, le=1)
    shadow: float = Field(ge=0, le=1)

    def has(self, user: int) -> bool:
        """Returns True if the candidate answers a user. Anonymous users (-1) have no stable id, so they never do."""
        return user >= 0 and position(user, self.bundle_id) < self.share


def position(user: int, salt: str) -> float:
    """Returns a number from 0 to 1 that is uniform over users, and always the same for a user and a salt."""
    digest = blake2b(f"{salt}:{user}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _HASHES
