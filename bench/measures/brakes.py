"""What ten brakes cost beside many backfills that wait: CPU of the daemon beyond what it uses without them.

Four look at the database, three at an address, three at a file, every five seconds each.
"""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

from tests.support.daemon import Plan

from bench.machine import cpu_seconds
from bench.project import BenchedDaemon
from bench.setting import Setting

SETTLING_SECONDS = 6.0  # each has looked once, and the database knows that it holds nothing
KINDS = ("sql", "sql", "sql", "sql", "http", "http", "http", "file", "file", "file")


async def beyond_none(daemon: BenchedDaemon, dsn: str, setting: Setting) -> float:
    """Percent of a core. The daemon has none of them afterwards, as before."""
    plain = daemon.plan
    braked = _with_brakes(plain, dsn, setting)
    used = {}
    for name, plan in (("with", braked), ("without", plain)):
        daemon.configure(plan)
        os.kill(daemon.pid, signal.SIGHUP)
        await asyncio.sleep(SETTLING_SECONDS)
        before = cpu_seconds([daemon.pid])
        await asyncio.sleep(setting.scale.idle_seconds)
        used[name] = cpu_seconds([daemon.pid]) - before
    return (used["with"] - used["without"]) / setting.scale.idle_seconds * 100


def _with_brakes(plan: Plan, dsn: str, setting: Setting) -> Plan:
    secret = Path(setting.folder) / "looked-at"
    secret.write_text(dsn)
    secret.chmod(0o600)
    looks = {
        "sql": 'dsn = { secret = "looked_at" }\nquery = "SELECT 0"\nhold_above = 10',
        "http": f'url = "{setting.target.url}/status"',
        "file": f'path = "{setting.folder}/freeze"',
    }
    brakes = [f'[brakes.b{number}]\ntype = "{kind}"\n{looks[kind]}\n' for number, kind in enumerate(KINDS)]
    return replace(plan, secrets={**plan.secrets, "looked_at": secret}, more="\n".join(brakes))
