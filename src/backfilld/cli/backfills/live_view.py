"""A backfill as a picture that keeps itself up to date.

Rich is imported here, and only once there is something to draw: it would double the time of every other command.
"""

from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from backfilld.cli.backfills.progress_text import ERRORS_SHOWN, failure, pace
from backfilld.cli.output.backfill_text import done, reason, share, to_run
from backfilld.cli.output.failure_groups import Errors
from backfilld.cli.output.printing import duration, instant, number
from backfilld.clock import Clock

COLOURS = {
    "running": "green", "completed": "green", "waiting": "yellow", "paused": "yellow", "planning": "cyan",
    "completed_with_failures": "yellow", "cancelling": "magenta", "cancelled": "magenta", "failed": "red",
}  # fmt: skip
COUNTERS = (
    ("succeeded", "green"), ("failed", "red"), ("skipped", "cyan"), ("cancelled", "magenta"),
    ("in_flight", "bold"), ("retrying", "yellow"), ("pending", "dim"),
)  # fmt: skip
REFRESHES_PER_SECOND = 4


class LiveView:
    """`watching.View` on a terminal. Use as a context manager; the last picture stays on the screen."""

    def __init__(self, clock: Clock, console: Console | None = None) -> None:
        self._clock = clock
        self._shown: tuple[dict[str, Any], Errors] | None = None
        self._live = Live(
            get_renderable=self.picture,
            console=console or Console(highlight=False),
            refresh_per_second=REFRESHES_PER_SECOND,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, backfill: dict[str, Any], errors: Errors) -> None:
        self._shown = (backfill, errors)
        self._live.refresh()

    def picture(self) -> RenderableType:
        """What is known now; times left are counted down between events."""
        if self._shown is None:
            return Text("waiting for the first event …", style="dim")
        backfill, errors = self._shown
        parts: list[RenderableType] = [_title(backfill), self._bar(backfill), _counters(backfill)]
        if why := self._why(backfill):
            parts.append(Text(why, style="yellow"))
        parts += [Text(f"  {failure(error)}", style="red", overflow="ellipsis") for error in errors[:ERRORS_SHOWN]]
        if len(errors) > ERRORS_SHOWN:
            parts.append(Text(f"  and {len(errors) - ERRORS_SHOWN} more kinds of failure", style="dim"))
        return Group(*parts)

    def _bar(self, backfill: dict[str, Any]) -> RenderableType:
        row = Table.grid(padding=(0, 2))
        total = to_run(backfill)
        bar = ProgressBar(
            total=total or 1, completed=done(backfill) if total else 0, width=40, pulse=total is None,
            complete_style="green", finished_style="green",
        )  # fmt: skip
        row.add_row(bar, Text(share(backfill)), Text(pace(backfill, self._clock), style="cyan"))
        return row

    def _why(self, backfill: dict[str, Any]) -> str | None:
        why = backfill.get("status_reason") or {}
        until = instant(why.get("until"))
        if until and (left := (until - self._clock.now()).total_seconds()) > 0:
            return f"{why['message']} ({duration(left)} to go)"
        return reason(backfill)


def _title(backfill: dict[str, Any]) -> Text:
    status = backfill["status"]
    return Text.assemble(
        (backfill.get("name") or backfill["id"], "bold"),
        f"  {backfill['target_workflow_name']}  ",
        (status.replace("_", " "), COLOURS.get(status, "")),
    )


def _counters(backfill: dict[str, Any]) -> Text:
    text = Text()
    for name, style in COUNTERS:
        count = backfill[f"{name}_count"]
        text.append(f"{name.replace('_', ' ')} ")
        text.append(f"{number(count)}   ", style=style if count else "dim")
    return text
