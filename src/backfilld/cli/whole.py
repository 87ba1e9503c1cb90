"""Commands that say everything that is missing at once, and not one thing a try."""

from typing import Any

import click


class WholeCommand(click.Command):
    """Names all required options and arguments that were not given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks_for_help = any(word in ctx.help_option_names for word in args)
        missing = [] if ctx.resilient_parsing or asks_for_help else self._missing(ctx, list(args))
        if len(missing) > 1:
            raise click.UsageError(f"Missing {', '.join(missing)}.", ctx)
        return super().parse_args(ctx, args)

    def _missing(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            given, _, _ = self.make_parser(ctx).parse_args(args=args)
        except click.UsageError:
            return []  # that is told first
        return [
            self._named(param)
            for param in self.get_params(ctx)
            if param.required
            and _is_empty(given.get(param.name or ""))
            and param.value_from_envvar(ctx) is None
            and _is_empty(param.get_default(ctx))
        ]

    @staticmethod
    def _named(param: click.Parameter) -> str:
        return (
            param.opts[0] if isinstance(param, click.Option) else param.make_metavar(click.Context(click.Command("")))
        )


def _is_empty(value: Any) -> bool:
    return value is None or value == () or type(value).__name__ in ("Sentinel", "_Sentinel") or "UNSET" in repr(value)


class WholeGroup(click.Group):
    """Its commands are of that kind."""

    command_class = WholeCommand
