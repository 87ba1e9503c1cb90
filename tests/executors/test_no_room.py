"""Where this machine has nothing left to open a connection or start a program with, no item pays for it."""

import errno
from datetime import timedelta

import pytest
from tests.executors.test_command import run
from tests.support.clock import NOON
from tests.support.descriptors import no_descriptors
from tests.support.executing import FreePermit, work
from tests.support.targets import answering, target

from backfilld.domain.backfills.records import Item
from backfilld.domain.backfills.retries import Backoff, Held, judge
from backfilld.domain.backfills.verdicts import VerdictKind
from backfilld.executors.http.failures import connecting_failed
from backfilld.executors.shortage import no_room, shortage_in


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:{port}", "http://localhost:{port}", "https://127.0.0.1:{port}", "http://a.invalid"]
)
async def test_no_descriptor_for_a_connection_is_no_fault_of_the_target(executor_for, address):
    async with target(answering()) as there:
        executor = executor_for(address.format(port=there.url.rpartition(":")[2]))
        permit = FreePermit()
        with no_descriptors():
            verdict = await executor.execute(work(), permit)
        again = await executor_for(there.url).execute(work(), FreePermit())

    assert (VerdictKind.NO_ROOM, "no_room", 0) == (verdict.kind, verdict.error_class, permit.started)
    assert "Too many open files" in verdict.error
    assert VerdictKind.SUCCEEDED is again.kind


async def test_no_descriptor_for_a_program_is_no_fault_of_the_program():
    with no_descriptors():
        verdict = await run("true")

    assert (VerdictKind.NO_ROOM, "no_room") == (verdict.kind, verdict.error_class)
    assert "Too many open files" in verdict.error


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_whatever_the_machine_lacks_is_its_own(number):
    hidden = RuntimeError("the name cannot be resolved")
    hidden.__cause__ = OSError(number, "x")

    assert VerdictKind.NO_ROOM is connecting_failed(OSError(number, "x"), "http://x", 10.0).verdict.kind
    assert shortage_in(hidden)


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EADDRNOTAVAIL])
def test_what_is_the_targets_stays_the_targets(number):
    assert VerdictKind.UNREACHABLE is connecting_failed(OSError(number, "x"), "http://x", 10.0).verdict.kind


@pytest.mark.parametrize("others_succeed", [True, False])
def test_want_of_room_costs_an_item_nothing(others_succeed):
    item = Item(
        backfill_number=1, position=1, entity_id="a", attributes={}, as_of=None, read_at=0.0, tries=2, counted=2
    )
    result = judge(
        no_room("Too many open files"),
        item,
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=1),
        max_attempts=3,
        others_succeed=others_succeed,
        backoff=Backoff(),
        draw=lambda: 0.5,
    )

    assert Held("Too many open files") == result
