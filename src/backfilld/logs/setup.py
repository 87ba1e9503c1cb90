"""One way out for every line, structlog's and the standard library's: same processors, same stream."""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.typing import Processor

from backfilld.logs.outlet import Outlet
from backfilld.logs.redaction import redact

Format = Literal["auto", "json", "pretty"]

# The priorities of syslog, as journald reads them off the start of a line.
PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
FIRST = ("timestamp", "level", "event")
CHATTY = ("asyncio", "aiohttp")  # of these, only what went wrong


def configure_logging(
    level: str = "info",
    format: Format = "auto",  # the name of the setting
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Send every log line to `stream` (stderr). May be called again, to change level or format.

    `auto` is pretty on a terminal and JSON elsewhere. Under journald, lines carry their priority.
    """
    stream = stream or sys.stderr
    environ = os.environ if environ is None else environ
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # or a reload could not change the level
    )
    handler = _handler_of(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(format, stream, environ),
            ],
        )
    )
    _replace_handler(handler, level)


def lines_dropped() -> int:
    """How many lines of the log nobody has read in time."""
    return sum(handler.dropped for handler in logging.getLogger().handlers if isinstance(handler, Outlet))


def _handler_of(stream: TextIO) -> logging.Handler:
    """One for each descriptor, so that lines keep their order when it is told again."""
    try:
        out = stream.fileno()
    except (OSError, ValueError):
        return logging.StreamHandler(stream)
    present = (found for found in logging.getLogger().handlers if isinstance(found, Outlet) and found.out == out)
    return next(present, None) or Outlet(out)


def _replace_handler(handler: logging.Handler, level: str) -> None:
    handler.name = "backfilld"
    root = logging.getLogger()
    for old in [found for found in root.handlers if found.name == handler.name]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    logging.captureWarnings(True)


def _renderers(format: Format, stream: TextIO, environ: Mapping[str, str]) -> list[Processor]:
    on_terminal = stream.isatty()
    if format == "pretty" or (format == "auto" and on_terminal):
        return [structlog.dev.ConsoleRenderer(colors=on_terminal and not environ.get("NO_COLOR"))]
    json = structlog.processors.JSONRenderer(serializer=_json)
    return [_first_things_first, _with_priority(json) if goes_to_journal(stream, environ) else json]


def goes_to_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """True if `stream` is the very one that systemd connected to the journal; a redirected one is not."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _first_things_first(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """When, how bad, what: the rest of a line is read if these are of interest."""
    return {key: line[key] for key in FIRST if key in line} | dict(line)


def _with_priority(render: Processor) -> Processor:
    def prefixed(logger: Any, method: str, line: MutableMapping[str, Any]) -> str:
        priority = PRIORITIES.get(str(line.get("level")), PRIORITIES["info"])
        return f"<{priority}>{render(logger, method, line)!s}"

    return prefixed


def _json(line: Any, default: Any = str, **_: Any) -> str:
    try:
        return orjson.dumps(line, default=default, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, orjson.JSONEncodeError):  # whatever it is, the line must get out
        return orjson.dumps({str(key): repr(value) for key, value in line.items()}).decode("utf-8", "replace")
