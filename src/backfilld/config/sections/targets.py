"""Targets that get a budget: what all that is started here may send them together."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.fields import Name, Section, split_url
from backfilld.executors.http.wire.request_writer import url_of


def origin_of(value: str) -> str:
    """The scheme, host and port that are written, as executors write them; ValueError if it is anything else."""
    parts = split_url(value, ("http", "https"))
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an origin, as https://crm.example.com or http://crm.example.com:8080")
    return str(url_of(value).origin())


Origin = Annotated[Name, AfterValidator(origin_of)]


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("names no origin")
    return value


class TargetSettings(Section):
    """What a system gets from this daemon, whatever runs: backfills take turns."""

    origins: Annotated[tuple[Origin, ...], Field(strict=False), AfterValidator(_some)] = Field(
        examples=[["https://crm.example"]],
        description="Where it listens, as scheme, host and port of the workflows' URLs. They share the budget.",
    )
    starts_per_minute: float = Field(
        ge=0.00001,
        le=1e6,
        allow_inf_nan=False,
        examples=[60.0],
        description="At most so many starts a minute, spread evenly, over all backfills of this daemon and its attempts"
        " outside of backfills. Retries count. Of several daemons each counts for itself.",
    )
    reserve_for_live: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="The share of it that backfills leave to attempts outside of backfills, which go first anyway.",
    )


def faults_in_targets(tree: Mapping[str, Any], where: str) -> Iterator[ConfigFault]:
    """An origin can be a part of one target alone."""
    seen: dict[str, str] = {}
    targets = tree.get("targets")
    for name, target in targets.items() if isinstance(targets, Mapping) else ():
        origins = target.get("origins") if isinstance(target, Mapping) else None
        for written in origins if isinstance(origins, list | tuple) else ():
            try:
                origin = origin_of(written) if isinstance(written, str) else None
            except ValueError:
                continue  # which is told elsewhere
            other = seen.setdefault(origin, name) if origin is not None else name
            if other != name:
                path = dotted(("targets", name, "origins"))
                yield ConfigFault(where, path, f"{origin} is an origin of the target '{other}' already")
