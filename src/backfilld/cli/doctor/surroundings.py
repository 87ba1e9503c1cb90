"""Everything that takes a connection."""

from backfilld.cli.doctor import around, machine
from backfilld.cli.doctor.database import looked_at
from backfilld.cli.doctor.findings import Finding
from backfilld.config import Settings


async def look_around(settings: Settings) -> list[Finding]:
    """Database, address, daemon, targets and sources, in that order."""
    running = _running(settings)
    async with looked_at(settings) as looked:
        return [
            *looked.findings,
            machine.address(settings, running=running),
            *await around.daemon(running),
            *await around.targets(settings, looked.pool),
            *await around.sources(settings),
        ]


def _running(settings: Settings) -> str:
    """Where the daemon on this state directory is; "" if none has written that down."""
    try:
        return (settings.state.directory / "address").read_text().strip()
    except OSError:
        return ""
