"""P13: W2 on a server whose every flush takes 5 ms more, beside the same on one without.

A small library comes between PostgreSQL and the C library and waits before each fsync and fdatasync (slow_flush.c). It
needs a C compiler; without one this is not measured, and the page says so.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from backfilld.embedded import find_binaries
from bench.postgres import running_postgres
from bench.project import run_ours
from bench.setting import Setting
from bench.stock import Stock
from bench.workloads import W2

SOURCE = Path(__file__).parent.parent / "slow_flush.c"
MICROSECONDS = 5_000
WRAPPER = """#!/bin/sh
export LD_PRELOAD={library} BENCH_FLUSH_MICROSECONDS={micros}
exec {program} "$@"
"""


async def measure(setting: Setting) -> dict[str, Any]:
    """The median of the per-round ratios; one server of each kind, used in turns."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise RuntimeError("it needs a C compiler (cc), which is not on this machine")
    ratios = []
    with tempfile.TemporaryDirectory(prefix="bd-slow-", dir="/var/tmp") as folder:
        slowed = _slowed(Path(folder), compiler)
        async with running_postgres(Path(folder), slowed) as slow:
            stocks = (setting.stock, Stock(slow))
            for round in range(setting.scale.slow_disk_rounds):
                seconds = [
                    (await run_ours(
                        W2, setting.scale.items * 2, round, postgres=postgres, stock=stock, target=setting.target,
                        folder=setting.folder,
                    )).seconds
                    for postgres, stock in zip((setting.postgres, slow), stocks, strict=True)
                ]  # fmt: skip
                ratios.append(seconds[0] / seconds[1])
    return {"ratio": median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios), "rounds": len(ratios)}


def _slowed(folder: Path, compiler: str) -> Path:
    """A folder with a `postgres` in it that flushes slowly, and an `initdb` that does not."""
    folder.chmod(0o755)  # PostgreSQL may run as somebody else
    library, binaries = folder / "slow_flush.so", folder / "bin"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    binaries.mkdir()
    for name in ("postgres", "initdb"):
        real = find_binaries(os.environ) / name
        text = WRAPPER.format(library=library, micros=MICROSECONDS, program=real)
        wrapper = binaries / name
        wrapper.write_text(text if name == "postgres" else text.replace("export ", "# "))
        wrapper.chmod(0o755)
    return binaries
