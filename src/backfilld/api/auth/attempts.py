"""What is remembered of somebody who is at his directory to sign in, until he comes back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way there and back. `verifier` proves that whoever brings the code is who asked for it."""

    tenant: str
    state: str
    nonce: str
    verifier: str

    def as_dict(self) -> dict[str, str]:
        """All of it, to be kept by a browser."""
        return asdict(self)

    @staticmethod
    def of(kept: Mapping[str, str]) -> "Attempt | None":
        """What a browser has kept; None if that is none."""
        found = [kept.get(one.name, "") for one in fields(Attempt)]
        return Attempt(*found) if all(found) else None
