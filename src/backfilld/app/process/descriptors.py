"""How many files and connections this process may have open, and who gets them.

The system gives each process a soft limit, often 1,024, which it may raise by itself up to the hard one. What the
engine needs to reach the database, the targets and the programs stays out of reach of those who connect to the server.
"""

import resource

import structlog

from backfilld.config import Settings

log = structlog.get_logger(__name__)

FEWEST_CONNECTIONS = 16
_OF_A_PROCESS = 100  # files of its own, logs, the sources' connections, what a reload needs twice
_OF_A_TRY = 5  # a program has its input, two pipes, a handle, and one more while it is started
_OF_THE_ENGINE = 10  # connections to the database besides those of requests


def raise_soft_limit() -> int:
    """As many descriptors as the system lets us have; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as problem:  # some systems have an upper bound of their own
            log.warning("the limit of descriptors cannot be raised", soft=soft, hard=hard, error=str(problem))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


def reserve_of(settings: Settings) -> int:
    """How many of them the engine may come to need."""
    tries = settings.engine.max_in_flight_total
    return _OF_A_PROCESS + _OF_THE_ENGINE + settings.database.pool_size + _OF_A_TRY * tries


def connections_within(settings: Settings, limit: int) -> int:
    """How many may connect to the server, where `limit` descriptors are all there are."""
    wanted = settings.server.max_connections
    room = max(FEWEST_CONNECTIONS, limit - reserve_of(settings))
    if room < wanted:
        log.warning(
            "fewer connections than server.max_connections, for want of descriptors",
            connections=room, wanted=wanted, descriptors=limit, reserved=reserve_of(settings),
        )  # fmt: skip
    return min(room, wanted)
