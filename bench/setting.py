"""What every measurement is given."""

from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Peers
from bench.plan import Scale
from bench.postgres import Postgres
from bench.stock import Stock
from bench.target import Target


@dataclass(frozen=True)
class Setting:
    """One server, one target, one folder for daemons; `cache` outlives the comparison."""

    postgres: Postgres
    stock: Stock
    target: Target
    folder: Path
    cache: Path
    peers: Peers
    scale: Scale
