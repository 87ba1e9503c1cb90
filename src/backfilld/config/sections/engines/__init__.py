"""Engines that people already run, and that workflows may run on."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.sections.apis.connections import secrets_in
from backfilld.config.sections.engines.digdag import DigdagEngineSettings
from backfilld.config.sections.engines.temporal import TemporalEngineSettings
from backfilld.domain.errors import did_you_mean

AnyEngineSettings: TypeAlias = Annotated[DigdagEngineSettings | TemporalEngineSettings, Field(discriminator="type")]


def faults_in_engines(tree: Mapping[str, Any], where: str) -> Iterator[ConfigFault]:
    """What the shape does not show: secrets that there are not. Read from the raw tree."""
    engines, secrets = tree.get("engines"), tree.get("secrets")
    known = list(secrets) if isinstance(secrets, dict) else []
    for path, name in secrets_in(engines, ("engines",)):
        if name not in known:
            yield ConfigFault(where, dotted(path), f"there is no secret '{name}'{did_you_mean(name, known)}")
