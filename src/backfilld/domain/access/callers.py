"""Who asks for something, and what a role may do."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")  # each may do what those before it may


@dataclass(frozen=True, slots=True)
class Caller:
    """`identity` is stable and goes into audit rows and idempotency scopes: `key:<uuid>`, `entra:<tid>/<oid>`, `cli`.

    `name` is for people. `kind` tells a key from a person, because a key may not make keys; nor may a service that
    comes with a token of its own, which therefore counts as a key.
    """

    identity: str
    name: str
    role: Role
    kind: Literal["key", "person", "system"] = "key"

    def may(self, role: Role) -> bool:
        """True if this caller's role is at least `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


SYSTEM = Caller("system", "backfilld", "admin", "system")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and under which request: what every change is written down with."""

    caller: Caller
    request_id: UUID | None = None

    @staticmethod
    def local(identity: str) -> "Actor":
        """Somebody who works on the database directly: the command line, the demo."""
        return Actor(Caller(identity, identity, "admin", "system"))

    @property
    def identity(self) -> str:
        return self.caller.identity

    @property
    def name(self) -> str:
        return self.caller.name


OURSELVES = Actor(SYSTEM)
