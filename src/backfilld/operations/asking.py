"""Who asks for something, and under which request: what every change is written down with."""

from dataclasses import dataclass
from uuid import UUID

from backfilld.domain.callers import Caller


@dataclass(frozen=True, slots=True)
class Asker:
    """A caller and the id of his request, as audit rows keep them."""

    caller: Caller
    request_id: UUID | None = None

    @property
    def identity(self) -> str:
        return self.caller.identity

    @property
    def name(self) -> str:
        return self.caller.name
