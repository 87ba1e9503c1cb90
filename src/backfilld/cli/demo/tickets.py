"""Tickets for the demo: made up, but shaped like those of a real help desk.

Written once by `python -m backfilld.cli.demo.tickets` and shipped beside this file, so that everybody's demo shows the
same numbers. A test makes them again and compares.
"""

import gzip
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson

T = TypeVar("T")

FILE = Path(__file__).with_name("tickets.jsonl.gz")
TICKETS = 2_500
SEED = 20_210_104
FIRST_AT = datetime(2021, 1, 4, 7, 0, tzinfo=UTC)
SPAN = timedelta(days=5 * 365 + 120)

COMPANIES = (
    ("C-0101", "Ahlgren Timber", "gold", "SE"), ("C-0102", "Bramble & Finch Dental", "silver", "GB"),
    ("C-0103", "Casa Verde Hotels", "gold", "PT"), ("C-0104", "Drei Linden Apotheke", "bronze", "DE"),
    ("C-0105", "Eastbay Freight", "gold", "US"), ("C-0106", "Fjordlys Media", "silver", "NO"),
    ("C-0107", "Grünwald Präzision", "gold", "DE"), ("C-0108", "Hanami Foods", "silver", "JP"),
    ("C-0109", "Ironbridge Legal", "silver", "GB"), ("C-0110", "Jolly Otter Toys", "bronze", "US"),
    ("C-0111", "Kestrel Surveying", None, "NZ"), ("C-0112", "Laguna Clinics", "gold", "ES"),
    ("C-0113", "Møller Shipping", "silver", "DK"), ("C-0114", "Northgate School District", "bronze", "CA"),
    ("C-0115", "Oakline Architects", None, "US"), ("C-0116", "Pâtisserie Quentin", "bronze", "FR"),
)  # fmt: skip
SUBJECTS = (
    ("email", ("Mailbox is full", "Cannot send to {name}", "Mail from yesterday is missing", "Shared box for {name}")),
    ("network", ("VPN drops every few minutes", "Wi-Fi is slow on floor {number}", "No route to the file server")),
    ("printing", ("Printer {number} prints blank pages", "Scanner does not reach the share", "Toner low on {number}")),
    ("accounts", ("Password reset for {name}", "New starter: {name}", "Leaver: {name}", "Locked out after holiday")),
    ("hardware", ("Laptop {number} does not wake up", "Dock {number} loses the screen", "Battery swells on {number}")),
    ("billing", ("Invoice {number} is wrong", "Question about the licence count", "Please change our address")),
    ("software", ("Update breaks the label plug-in", "Spreadsheet {number} is read-only", "Install app for {name}")),
)  # fmt: skip
PEOPLE = ("Aiko", "Birgit", "Chidi", "Dolores", "Emre", "Farah", "Giulia", "Hamza", "Ines", "Jonas", "Kwame", "Lotte")
STATUSES = (("closed", 58), ("resolved", 14), ("open", 11), ("waiting_customer", 8), ("in_progress", 7), ("new", 2))
PRIORITIES = ((1, 6), (2, 22), (3, 52), (4, 20))
TAGS = ("vip", "recurring", "after-hours", "onsite", "security", "escalated", "training")
SOURCES = ("email", "portal", "phone", "monitoring")


class Dice:
    """Draws that are the same in every version of Python: only `Random.random` promises that."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # tickets, not secrets

    def share(self) -> float:
        return self._random.random()

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def pick(self, among: Sequence[T]) -> T:
        return among[self.below(len(among))]

    def weighted(self, among: Sequence[tuple[T, int]]) -> T:
        point = self.below(sum(weight for _, weight in among))
        for value, weight in among:
            point -= weight
            if point < 0:
                return value
        raise AssertionError("the weights add up")


def tickets(count: int = TICKETS, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """`{id, attributes, updated_at}`, oldest first; the same ones for the same arguments."""
    dice = Dice(seed)
    step = SPAN / count
    for number in range(count):
        created_at = FIRST_AT + step * number + timedelta(minutes=dice.below(600))
        yield _ticket(dice, number, created_at)


def _ticket(dice: Dice, number: int, created_at: datetime) -> dict[str, Any]:
    category, subjects = dice.pick(SUBJECTS)
    status = dice.weighted(STATUSES)
    closed_at = created_at + timedelta(minutes=20 + dice.below(9_000)) if status in ("closed", "resolved") else None
    order = {"po_number": f"PO-{dice.below(9999)}"} if dice.below(3) else {}
    attributes: dict[str, Any] = {
        "number": f"T{created_at.year}{number:05d}",
        "subject": dice.pick(subjects).format(name=dice.pick(PEOPLE), number=100 + dice.below(800)),
        "status": status,
        "priority": dice.weighted(PRIORITIES),
        "source": dice.pick(SOURCES),
        "created_at": _written(created_at),
        "closed_at": None if closed_at is None else _written(closed_at),
        "company": _company(dice),
        "assignee": dice.pick(PEOPLE) if dice.share() < 0.85 else None,
        "tags": [tag for tag in TAGS if dice.share() < 0.12],
        "minutes_worked": None if status == "new" else dice.below(400),
        "custom": {"site": f"floor {dice.below(9)}"} | order,
    }
    if dice.share() < 0.3:  # the rest was never looked at: the key is missing, as it is in life
        attributes["category"] = category if dice.share() < 0.8 else None
    if closed_at is not None and dice.share() < 0.4:
        attributes["satisfaction"] = 1 + dice.below(5)
    updated_at = (closed_at or created_at) + timedelta(minutes=dice.below(120))
    return {"id": f"{100_000 + number * 7}", "attributes": attributes, "updated_at": _written(updated_at)}


def _company(dice: Dice) -> dict[str, Any] | None:
    if dice.share() < 0.03:
        return None
    id, name, tier, country = dice.pick(COMPANIES)
    company: dict[str, Any] = {"id": id, "name": name, "country": country}
    return company if tier is None else company | {"tier": tier}


def _written(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def as_lines(entities: Iterator[dict[str, Any]]) -> bytes:
    """NDJSON, as an upload wants it."""
    return b"".join(orjson.dumps(entity, option=orjson.OPT_APPEND_NEWLINE) for entity in entities)


def shipped() -> bytes:
    """The tickets as they came with the program, as NDJSON."""
    return gzip.decompress(FILE.read_bytes())


def write() -> None:
    """Write them anew; the bytes are the same wherever this is run."""
    FILE.write_bytes(gzip.compress(as_lines(tickets()), compresslevel=9, mtime=0))


if __name__ == "__main__":
    write()
