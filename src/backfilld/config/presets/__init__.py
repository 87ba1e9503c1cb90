"""Systems that are known by name: what their API is like, as tables in the shape of the configuration."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import Field

from backfilld.config.fields import Section
from backfilld.domain.errors import did_you_mean

PRESETS = ("autotask", "connectwise", "halo")


class Preset(Section):
    """One system. `needs` are the keys of a connection that it cannot do without, `takes` others of its own."""

    title: str
    needs: tuple[str, ...] = Field(strict=False)
    takes: tuple[str, ...] = Field(default=(), strict=False)
    connection: dict[str, Any] = Field(default_factory=dict)
    answer_seconds: float | None = None
    test_path: str | None = None
    list_names: dict[str, str] = Field(default_factory=dict)
    listing: dict[str, Any] = Field(default_factory=dict)
    types: dict[str, dict[str, Any]]

    def listing_of(self, entity_type: str, own: Mapping[str, Any]) -> dict[str, Any] | None:
        """What is listed for a type, with what the file says of it; None where the system has no such type."""
        known = self.types.get(entity_type)
        if known is None and not {"entity", "path"} & own.keys():
            return None
        whole = {**self.listing, **(known or {}), **own}
        if "path" in whole:
            whole["path"] = whole["path"].replace("{entity}", str(whole.get("entity", "")))
        return whole


@cache
def preset(name: str) -> Preset:
    """The preset of that name, one of PRESETS."""
    text = (files(__package__) / f"{name}.toml").read_text(encoding="utf-8")
    return Preset.model_validate(tomllib.loads(text))


def preset_fault(name: str) -> str | None:
    """What is wrong with a name of a preset."""
    return None if name in PRESETS else f"there is no preset '{name}'{did_you_mean(name, PRESETS)}"
