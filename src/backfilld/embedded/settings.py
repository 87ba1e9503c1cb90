"""The settings that the embedded server runs with: a small VM, one program, nothing to be tuned."""

from collections.abc import Mapping
from pathlib import Path

BASE = {
    "listen_addresses": "",  # the socket only
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "128MB",
    "wal_buffers": "16MB",  # a request for ten thousand sessions writes as much; by itself it would be 4
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",  # the supervisor and people who search the web read these
    # What goes wrong in a statement is told by the program that sent it; here only what concerns the server.
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    "cluster_name": "backfilld",
}
# For tests and throw-away demos: a crash of the machine may lose everything, a crash of the program nothing.
FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
}


def arguments(*, durable: bool, socket_folder: Path, settings: Mapping[str, str]) -> list[str]:
    """For the command line of `postgres`; `settings` win over ours."""
    chosen = BASE | ({} if durable else FORGETFUL) | {"unix_socket_directories": str(socket_folder)} | dict(settings)
    return [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
