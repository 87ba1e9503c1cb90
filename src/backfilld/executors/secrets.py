"""What secrets are called, and what they are at this moment.

A definition only names a secret, so it may be stored, shown and logged. The values come from files, credentials or
the configuration and may change while the daemon runs (SIGHUP); an executor asks for them by name and notices a
change by the store's version.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

ProjectSecrets: TypeAlias = Callable[[], Awaitable[Mapping[str, str]]]
"""The secrets of one project, as they are now."""


class SecretMissing(Exception):
    """A definition names a secret that there is not, or that is empty."""

    def __init__(self, name: str, *, of_project: bool = False) -> None:
        what = f"the secret '{name}' of the project" if of_project else f"the secret '{name}'"
        how = "set it there" if of_project else "add it to [secrets] and reload"
        super().__init__(f"{what} is not defined, or empty; {how}")


class Secret:
    """The values of one secret, the present one first; a second one while it is being rotated."""

    __slots__ = ("_values",)

    def __init__(self, text: str) -> None:
        self._values = tuple(line for line in (line.strip() for line in text.splitlines()) if line)

    @property
    def present(self) -> str:
        """The value that is sent."""
        return self._values[0]

    def reveal(self) -> tuple[str, ...]:
        """Every value that is valid now."""
        return self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def __repr__(self) -> str:
        return "Secret(…)"


class SecretStore:
    """Secrets by name. `version` grows whenever they were replaced."""

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        self.version = 0
        self._secrets: dict[str, Secret] = {}
        self.replace(texts or {})

    def __repr__(self) -> str:
        return f"SecretStore({', '.join(sorted(self._secrets))})"

    @property
    def names(self) -> frozenset[str]:
        """What may be referred to."""
        return frozenset(self._secrets)

    def replace(self, texts: Mapping[str, str]) -> None:
        """Take these values from now on: a value a line, the present one first."""
        self._secrets = {name: Secret(text) for name, text in texts.items()}
        self.version += 1

    def get(self, name: str) -> Secret:
        """The secret of that name; SecretMissing if there is none."""
        secret = self._secrets.get(name)
        if not secret:
            raise SecretMissing(name)
        return secret


class UnusableSecret(ValueError):
    """The secret cannot be a signing key; the message does not repeat it."""
