"""Executors as the daemon makes them, closed behind each test."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.support.executing import HurryingClock

from backfilld.clock import Clock
from backfilld.executors.base import Executor
from backfilld.executors.registry import ExecutorOptions, ExecutorRegistry
from backfilld.executors.secrets import SecretStore

Making = Callable[..., Executor]


@pytest.fixture
async def executor_for() -> AsyncIterator[Making]:
    """`executor_for(url, options=…, secrets=…, clock=…, **keys of the executor)`."""
    registries: list[ExecutorRegistry] = []

    def make(
        url: str,
        *,
        options: ExecutorOptions | None = None,
        secrets: SecretStore | None = None,
        clock: Clock | None = None,
        **keys: Any,
    ) -> Executor:
        registry = ExecutorRegistry(options or ExecutorOptions(), clock or HurryingClock(), secrets or SecretStore())
        registries.append(registry)
        return registry.for_revision(1, {"name": "enrich", "executor": {"type": "http", "url": url, **keys}})

    yield make
    for registry in registries:
        await registry.close_all()
