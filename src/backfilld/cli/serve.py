"""`backfilld serve`: run the daemon in the foreground."""

import asyncio
import os
import threading
from pathlib import Path

import click

from backfilld.cli.first_process import step_aside_if_first
from backfilld.cli.lean_start import lean_start
from backfilld.cli.output import exit_codes

THREADS_GET_SECONDS = 5.0  # after everything is put away: whoever they work for is gone


@click.command()
@click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="BACKFILLD_CONFIG",
    help="The configuration file (TOML); without one, defaults and environment.",
)
@click.option(
    "--paused",
    is_flag=True,
    help="Start nothing until `backfilld start-all`: for a database that was restored from a backup.",
)
def command(config: Path | None, paused: bool) -> None:
    """Run the daemon in the foreground. SIGTERM or Ctrl-C lets work in flight finish; SIGHUP reads the file again."""
    step_aside_if_first()
    with lean_start():
        import structlog
        import uvloop

        from backfilld import crash_points
        from backfilld.app import Daemon
        from backfilld.app.process.signals import answer_signals
        from backfilld.config import crash_fuse, load_settings
        from backfilld.logs import configure_logging

    settings = load_settings(config)
    configure_logging(settings.logging.level, settings.logging.format)
    if (fuse := crash_fuse()) is not None:
        structlog.get_logger(__name__).critical(
            f"{crash_points.VARIABLE} is set: this process is going to kill itself",
            point=fuse.point,
            passes=fuse.passes,
        )
        crash_points.arm(fuse)

    if os.geteuid() == 0:
        structlog.get_logger(__name__).warning("runs as root", advice="give it a user of its own: docs/install.md")

    async def serve() -> None:
        daemon = Daemon(settings, lambda: load_settings(config), paused=paused)
        answer_signals(asyncio.get_running_loop(), daemon)
        code = exit_codes.ERROR
        try:
            await daemon.run()
            code = exit_codes.OK
        except Exception as problem:
            structlog.get_logger(__name__).error("ended", why=str(problem) or type(problem).__name__)
            raise
        finally:
            _leave_threads_behind(code)

    uvloop.run(serve())


def _leave_threads_behind(code: int) -> None:
    """Python waits for each thread of a pool before it ends, however long it computes or asks for a name."""

    def leave() -> None:
        import structlog

        structlog.get_logger(__name__).warning("ended while threads still worked", waited_seconds=THREADS_GET_SECONDS)
        os._exit(code)

    timer = threading.Timer(THREADS_GET_SECONDS, leave)
    timer.daemon = True
    timer.start()
