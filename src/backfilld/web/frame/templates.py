"""Templates, and what all of them may use."""

from collections.abc import Callable
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backfilld import __version__
from backfilld.clock import Clock
from backfilld.domain.stopping import StopOrder
from backfilld.web.frame.assets import Assets
from backfilld.web.frame.visit import Visit
from backfilld.web.words import numbers, times

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


class Templates:
    """Those of `web/templates`, with autoescape; a name that is not there is an error."""

    def __init__(
        self, assets: Assets, base: str, clock: Clock, order: Callable[[], StopOrder], requires_reason: bool = False
    ) -> None:
        self._assets = assets
        self._base = base
        self._clock = clock
        self._order = order
        self._requires_reason = requires_reason

    @cached_property
    def _environment(self) -> "Environment":
        from jinja2 import Environment, PackageLoader, StrictUndefined  # here: a daemon is up before it is loaded

        made = Environment(
            loader=PackageLoader("backfilld.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, auto_reload=False,
        )  # fmt: skip
        made.globals |= {"asset": self._asset, "at": self._at, "version": __version__, "now": self._clock.now}
        made.globals |= {"stop_order": self._order, "requires_reason": self._requires_reason}
        made.filters |= {
            "thousands": numbers.thousands,
            "percent": numbers.percent,
            "duration": times.duration,
            "bytes": numbers.data_size,
            "iso": times.iso,
            "ago": times.relative,
            "utc_time": lambda at: f"{at:%H:%M} UTC",
            "whole": lambda at: times.whole(at, UTC),
        }
        return made

    def render(self, template: str, visit: Visit, /, **values: Any) -> str:
        """The template with its values; `visit` is there under that name."""
        return self._environment.get_template(template).render(visit=visit, **values)

    def piece(self, template: str, macro: str, /, *values: Any) -> "Markup":
        """What a macro makes of `values`: a part of a page, in which there is nothing of one viewer."""
        found: Markup = getattr(self._environment.get_template(template).module, macro)(*values)
        return found.strip()

    def _asset(self, name: str) -> str:
        return self._base + self._assets.path(name)

    def _at(self, path: str) -> str:
        """A path of ours as browsers ask for it."""
        return self._base + path
