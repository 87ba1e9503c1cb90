"""What is told on stderr: one line per thing that happened, for people on a terminal, JSON for machines.

Nothing that looks like a secret gets through, wherever in a line it stands.
"""

from backfilld.logs.event_log import EventLog
from backfilld.logs.setup import configure_logging, lines_dropped

__all__ = ["EventLog", "configure_logging", "lines_dropped"]
