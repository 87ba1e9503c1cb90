"""Secrets whose files somebody else writes anew, as the token of a Kubernetes service account."""

import asyncio
import logging
from collections.abc import Mapping

from backfilld.config import Settings
from backfilld.executors.secrets import SecretStore

log = logging.getLogger(__name__)


class SecretRereader:
    """`wake` reads those again that say `reread`; what cannot be read now stays what it was."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._settings: Settings | None = None
        self._texts: dict[str, str] = {}

    def put(self, settings: Settings, texts: Mapping[str, str]) -> None:
        """What is configured from now on, and what every secret is now."""
        self._settings, self._texts = settings, dict(texts)

    async def wake(self) -> None:
        """Read them, and put them in force from the next request on."""
        known = {} if self._settings is None else self._settings.secrets
        fresh: dict[str, str] = {}
        for name, secret in known.items():
            if not secret.reread:
                continue
            try:
                text = await asyncio.to_thread(secret.read)
            except (OSError, UnicodeDecodeError) as problem:
                log.warning("secret %s cannot be read again: %s", name, problem)
                continue
            if text.strip() and text != self._texts.get(name):
                fresh[name] = text
        if fresh:
            self._texts |= fresh
            self._secrets.replace(self._texts)
            log.info("secrets read again: %s", ", ".join(sorted(fresh)))
