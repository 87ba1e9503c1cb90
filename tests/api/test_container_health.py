"""The health check of `Containerfile`, against a server that lives and one that does not."""

import asyncio
import json
import re
import sys
from pathlib import Path

from tests.api.conftest import Serve
from tests.support.all_routes import all_routes
from tests.support.system_postgres import free_port

CONTAINERFILE = (Path(__file__).parents[2] / "Containerfile").read_text(encoding="utf-8")


async def health_check(port: int) -> int:
    """The exit code of the image's health check, told another port."""
    command = json.loads(re.search(r"HEALTHCHECK .*\\\n\s+CMD (\[.*\])", CONTAINERFILE)[1])
    assert "python" == command[0]

    script = command[2].replace("8642", str(port))
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-c", script)
    return await process.wait()


async def test_the_health_check_knows_who_lives(serve: Serve):
    client = await serve(all_routes(), role=None)

    assert 0 == await health_check(client.server.port)
    assert 1 == await health_check(free_port())
