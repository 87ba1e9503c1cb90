"""Arguments that hold more than a word: JSON, a file of JSON or of ids, windows, dates."""

import sys
from pathlib import Path
from typing import Any

import click
import orjson


class JsonOrFile(click.ParamType[Any]):
    """JSON on the command line, `@FILE`, or `@-` for stdin."""

    name = "JSON|@FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        text = self._text(value, param, ctx)
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as problem:
            shown = value if len(value) <= 60 else value[:59] + "…"
            self.fail(f"{shown!r} is not JSON: {problem}", param, ctx)

    def _text(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str | bytes:
        if not value.startswith("@"):
            return value
        if value == "@-":
            return sys.stdin.buffer.read()
        try:
            return Path(value[1:]).read_bytes()
        except OSError as problem:
            self.fail(f"{value[1:]}: {problem.strerror}", param, ctx)


class JsonObject(JsonOrFile):
    """The same, and it must be an object."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if not isinstance(found, dict):
            self.fail(f"must be a JSON object, as {{…}}, not {type(found).__name__}", param, ctx)
        return found


def read_windows(specs: tuple[str, ...]) -> dict[str, list[dict[str, str]]]:
    """`mon-fri 22:00-06:00` and the like, in the shape of a request."""
    from backfilld.domain.errors import Invalid
    from backfilld.domain.windows.specs import windows_from_specs

    try:
        return windows_from_specs(specs)
    except Invalid as problem:
        raise click.BadParameter(problem.message, param_hint="--window") from problem
