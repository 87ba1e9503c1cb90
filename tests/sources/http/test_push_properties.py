"""Whatever is asked of an API selects at least what the filter matches, and exactly that where it says so."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.fake_psa.autotask import holds
from tests.fake_psa.connectwise import parsed
from tests.sources.http.random_filters import KNOWN, filters, records
from tests.support.clock import NOON

from backfilld.domain.filters import Tree, compile_predicate, read_filter, resolve
from backfilld.domain.filters.dates import is_date, parse_timestamp
from backfilld.sources.http.dialects.autotask import AutotaskDialect
from backfilld.sources.http.dialects.connectwise import ConnectWiseDialect
from backfilld.sources.http.places import Place
from backfilld.sources.http.shape import Paging, Resource

TICKETS = Resource("ticket", "/Tickets", Paging("keyset", "id"), entity="Tickets", can_search=True)
ZONES = st.sampled_from(["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])


def tree_of(spec: Any, zone: str) -> Tree:
    read = read_filter(spec, "")
    assume(read.tree is not None and not read.faults)
    assert read.tree is not None
    resolved = resolve(read.tree, now=NOON, zone=ZoneInfo(zone), known_fields=KNOWN)
    assume(not resolved.faults)
    return resolved.tree


def stored(record: dict[str, Any]) -> dict[str, Any]:
    """As the fake keeps it: fields of users as a list, dates as instants in UTC that a text compares like."""
    kept = {name: value for name, value in record.items() if name != "udf"}
    kept["createDate"] = instant(record["createDate"])
    return {**kept, "userDefinedFields": [{"name": name, "value": value} for name, value in record["udf"].items()]}


def instant(value: str | None) -> str | None:
    if value is None:
        return None
    at = parse_timestamp(f"{value}T00:00:00Z" if is_date(value) else value)
    assert at is not None
    return f"{at.astimezone(ZoneInfo('UTC')) + timedelta():%Y-%m-%dT%H:%M:%SZ}"


@given(spec=filters(), found=st.lists(records(), max_size=8), zone=ZONES)
def test_autotask_is_asked_for_at_least_what_matches(spec: Any, found: list[dict[str, Any]], zone: str) -> None:
    tree = tree_of(spec, zone)
    pushed = AutotaskDialect().push(TICKETS, tree, KNOWN)  # type: ignore[arg-type] # texts that are such words
    matches = compile_predicate(tree)
    for record in found:
        selected = all(holds(item, stored(record)) for item in pushed.conditions)

        assert selected or not matches(record)
        assert not pushed.exact or selected == matches(record)


@given(spec=filters(), found=st.lists(records(), max_size=8), zone=ZONES)
def test_connectwise_is_asked_for_at_least_what_matches(spec: Any, found: list[dict[str, Any]], zone: str) -> None:
    known = {name: kind for name, kind in KNOWN.items() if not name.startswith("udf.")}
    tree = tree_of(spec, zone)
    pushed = ConnectWiseDialect().push(TICKETS, tree, known)  # type: ignore[arg-type] # texts that are such words
    conditions = ConnectWiseDialect().page(TICKETS, pushed, Place(), 1000)
    asked = parsed((conditions.json or conditions.query).get("conditions", ""))
    matches = compile_predicate(tree)
    for record in found:
        selected = asked({**record, "createDate": instant(record["createDate"])})

        assert selected or not matches(record)
        assert not pushed.exact or selected == matches(record)
