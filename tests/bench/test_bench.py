"""The comparison can be made: small, without those that need an environment of their own."""

from dataclasses import replace

import pytest
from bench.__main__ import prepared
from bench.comparison import MEASURES, Comparison
from bench.contenders import run_contender
from bench.figures import report
from bench.figures.notebook import Notebook
from bench.plan import AIOHTTP, BY_HAND, QUICK, TUNED
from bench.postgres import RECORDING
from bench.project import run_ours
from bench.target import Tally, answer_with
from bench.workloads import JSON, W1, W2, W2_JSON, W3_MANY, Request, request_of

from backfilld.store.connection.queries import load

TINY = replace(
    QUICK, medium=300, waiting=3, idle_seconds=0.5, restarts=1, large=50_000, starts=1, viewers=22, long_seconds=0.2
)  # fmt: skip


def test_the_backend_of_the_recorder_is_known_by_what_it_says():
    fragment = RECORDING.strip("%")
    queries = load("ledger.recording")

    assert any(fragment in getattr(queries, name) for name in queries.names())


def test_others_send_what_ours_sends_but_for_what_belongs_to_a_connection():
    head = b"POST /do HTTP/1.1\r\nHost: x\r\nUser-Agent: backfilld\r\nwebhook-id: 1\r\nContent-Length: 2\r\n\r\n{}"

    assert Request("{}", {"User-Agent": "backfilld", "webhook-id": "1"}) == request_of(head)


def test_a_target_answers_with_nothing_or_with_json():
    empty, document = answer_with(b""), answer_with(JSON)

    assert empty.endswith(b"Content-Length: 0\r\n\r\n")
    assert b"Content-Type" not in empty
    assert document.endswith(b"Content-Type: application/json\r\nContent-Length: 11\r\n\r\n" + JSON)


def test_a_target_counts_keys_that_come_again():
    tally = Tally(keys=set())
    for key in (b"a", b"b", b"a"):
        tally.note(b"POST / HTTP/1.1\r\nIdempotency-Key: " + key + b"\r\n\r\n")

    assert (3, 1) == (tally.requests, tally.repeats)


@pytest.mark.slow
async def test_ours_and_the_clients_can_be_measured_in_every_workload():
    async with prepared(TINY, with_peers=False) as setting:
        ours, others = Notebook(), Notebook()
        for workload in (W1, W2, W2_JSON, W3_MANY):
            made = await run_ours(
                workload, 300, 0, postgres=setting.postgres, stock=setting.stock, target=setting.target,
                folder=setting.folder,
            )  # fmt: skip
            ours.add(made)
        request = Request("{}", {"Content-Type": "application/json"})
        for contender in (AIOHTTP, TUNED, BY_HAND):
            for workload in (W2, W2_JSON):
                made = await run_contender(
                    contender, workload, 300, 0, postgres=setting.postgres, target=setting.target,
                    peers=setting.peers, request=request,
                )  # fmt: skip
                others.add(made)

    assert all(run.seconds > 0 and run.client_cpu > 0 for run in [*ours.runs, *others.runs])
    assert all(run.commits > 0 and run.recorder_cpu > 0 and run.wal_bytes > 0 for run in ours.runs)
    about = {"when": "", "cores": 1, "python": "", "postgres": "", "scale": ""}
    assert "| backfilld | W2, JSON answer | 300 |" in report.markdown(ours, about)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MEASURES.keys() - {"answers", "slow_disk"}))
async def test_what_is_no_ratio_of_rounds_can_be_measured(name):
    book = Notebook()
    async with prepared(TINY, with_peers=False) as setting:
        await Comparison(setting, book, budget_seconds=300).measure([name])

    assert [] == book.troubles
    assert name in book.findings
