"""Clients that two generators make of `/openapi.json` compile, and create, watch and steer a backfill."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.support.daemon import DaemonProcess

pytestmark = pytest.mark.clients
SOURCES = Path(__file__).parent / "openapi"
INSTALLED = Path(__file__).parents[2] / ".venv" / "openapi"
PATIENCE_SECONDS = 180
JAVA = ["java", "-Dfile.encoding=UTF-8", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]  # short lives
TICKETS = [
    {"id": "T-1", "attributes": {"status": "closed"}},
    {"id": "T-2", "attributes": {"status": "open"}},
    {"id": "T-3", "attributes": {"status": "closed"}},
]
TOLD = {
    "planned": 2,
    "signals": ["pause", "resume"],
    "status": "completed",
    "ledger": {"T-1": "succeeded", "T-3": "succeeded"},
}


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What it printed on stdout; AssertionError with all its words if it failed."""
    ended = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=PATIENCE_SECONDS, cwd=cwd,
        env={"HOME": str(cwd), "PATH": os.environ["PATH"]} | environment,
    )  # fmt: skip
    assert 0 == ended.returncode, (ended.stdout + ended.stderr)[-8000:]

    return ended.stdout


@pytest.fixture
async def described(daemon: DaemonProcess, tmp_path: Path) -> Path:
    """The document as the daemon serves it; and there are tickets."""
    await daemon.client.put_entities("ticket", TICKETS)
    status, document = await daemon.get("/openapi.json")
    assert 200 == status

    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


async def test_openapi_python_client_makes_one_that_works(daemon: DaemonProcess, described: Path) -> None:
    home, programs = described.parent, INSTALLED / "python/bin"
    generated = [home / "backfilld_client", "--meta", "none", "--overwrite"]
    run(programs / "openapi-python-client", "generate", "--path", described, "--output-path", *generated, cwd=home)
    told = run(
        programs / "python", SOURCES / "steer.py", daemon.url, daemon.api_key or "", cwd=home, PYTHONPATH=str(home)
    )

    assert TOLD == json.loads(told)


async def test_openapi_generator_makes_one_in_java_that_works(daemon: DaemonProcess, described: Path) -> None:
    home = described.parent
    run(
        *JAVA, "-jar", *INSTALLED.glob("cli/*.jar"), "generate", "-i", described, "-o", home / "java",
        "-g", "java", "--library", "native",
        "--invoker-package", "client", "--api-package", "client.api", "--model-package", "client.model",
        "--additional-properties", "useJakartaEe=true,hideGenerationTimestamp=true,containerDefaultToNull=true",
        "--global-property", "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false",
        cwd=home,
    )  # fmt: skip
    sources = [*(home / "java/src/main").rglob("*.java"), SOURCES / "Steer.java"]
    libraries = f"{INSTALLED}/lib/*"
    run(
        "javac",
        "-J-XX:TieredStopAtLevel=1",
        "-encoding",
        "UTF-8",
        "-nowarn",
        "-proc:none",
        "-d",
        home / "classes",
        "-cp",
        libraries,
        *sources,
        cwd=home,
    )
    told = run(*JAVA, "-cp", f"{home}/classes:{libraries}", "Steer", daemon.url, daemon.api_key or "", cwd=home)

    assert TOLD == json.loads(told)
