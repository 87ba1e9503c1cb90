"""`/`: what needs a person first, and every state that a backfill may be in."""

import re
from datetime import timedelta
from string import Formatter
from typing import Any

import pytest
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl
from tests.web.conftest import Site

from backfilld.domain.backfills.holding import ENTRIES, because, group_of
from backfilld.domain.backfills.states import ENDED, ReasonCode, Status
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.overview import GROUPS
from backfilld.store.connection.pool import Pool
from backfilld.web.pages.overview.routes import SHOWN_TOGETHER

VALUES: dict[str | None, Any] = {"count": 7, "time": NOON, "in": NOON, "ago": NOON}
CASES = [
    (code, case)
    for code, entry in ENTRIES.items()
    for case in (entry.text if not isinstance(entry.text, str) else ("",))
]


def facts_of(code: ReasonCode, case: str) -> dict[str, Any]:
    """Something for whatever its text names."""
    text = ENTRIES[code].text
    chosen = text if isinstance(text, str) else text[case]
    plain = chosen.replace("[", "").replace("]", "")
    found = {name: VALUES.get(kind, "<b>why</b>") for _, name, kind, _ in Formatter().parse(plain) if name}
    return {**found, "case": case} if case else found


def rows_of(page: str) -> list[str]:
    return re.findall(r'<h3><a href="[^"]*">([^<]*)</a>', page)


def counts_of(page: str) -> dict[str, str]:
    return dict(re.findall(r">([A-Z][a-z ]+) <b>([^<]*)</b></a>", page))


@pytest.mark.parametrize("status", [Status.PLANNING, Status.RUNNING, Status.WAITING, Status.PAUSED, Status.CANCELLING])
async def test_every_reason_reads_in_every_status_and_stands_in_its_group(
    site: Site, pool: Pool, clock: FakeClock, status: Status
) -> None:
    await put_into(pool, await make_backfill(pool, name="mine"), status)
    viewer = await site.sign_in("viewer")
    for code, case in CASES:
        facts = {name: value for name, value in facts_of(code, case).items() if name not in ("since", "until")}
        reason = because(code, since=clock.now(), until=clock.now() + timedelta(hours=3), **facts)
        await pool.execute(
            "UPDATE backfills SET reason_code = $1, reason_message = $2, reason_since = $3, reason_until = $4,"
            " reason_facts = NULL",
            code, reason.message, reason.since, reason.until,
        )  # fmt: skip
        page = await viewer.text("/")

        assert ["mine"] == rows_of(page), (code, case)
        assert f'id="g-{group_of(status, code)}"' in page, (code, case)
        assert "<b>why</b>" not in page, (code, case)


async def test_an_ended_one_is_a_line_with_its_verdict(site: Site, pool: Pool, clock: FakeClock) -> None:
    backfill, viewer = await make_backfill(pool, name="mine"), await site.sign_in("viewer")
    for status in sorted(ENDED):
        await put_into(pool, backfill, status)
        await pool.execute(
            "UPDATE backfills SET completed_at = $1, planned_at = $1 WHERE number = $2",
            clock.now() - timedelta(minutes=26), backfill.number,
        )  # fmt: skip
        page = await viewer.text("/")

        assert "26 m ago" in page, status
        assert f'id="g-{"attention" if status is Status.FAILED else "ended"}"' in page, status


async def test_what_failed_yesterday_needs_nobody_any_more(site: Site, pool: Pool, clock: FakeClock) -> None:
    backfill = await make_backfill(pool, name="mine")
    await put_into(pool, backfill, Status.FAILED)
    await pool.execute("UPDATE backfills SET completed_at = $1", clock.now() - timedelta(hours=24, seconds=1))
    page = await (await site.sign_in("viewer")).text("/")

    assert 'id="g-ended"' in page
    assert ("1", "0") == (counts_of(page)["Ended"], counts_of(page)["Needs you"])


async def test_while_all_is_stopped_nothing_is_said_to_work(
    site: Site, pool: Pool, clock: FakeClock, control: FakeControl
) -> None:
    await put_into(pool, await make_backfill(pool), Status.RUNNING)
    control.stopped = because(ReasonCode.STOPPED_BY_OPERATOR, since=clock.now(), who="anna", why="incident")
    page = await (await site.sign_in("viewer")).text("/")

    assert ("1", "0") == (counts_of(page)["Paused"], counts_of(page)["Working"])
    assert "Everything was stopped by anna" in page


@pytest.fixture
async def seven(pool: Pool) -> None:
    for number, status in enumerate([*sorted(ENDED), Status.RUNNING, Status.PAUSED, Status.WAITING]):
        await put_into(pool, await make_backfill(pool, name=f"number {number} %_\\"), status)


@pytest.mark.usefixtures("seven")
async def test_chips_count_all_whatever_is_shown(site: Site) -> None:
    person = await site.sign_in("viewer")
    whole = counts_of(await person.text("/"))

    assert "7" == whole["All"]
    for group in GROUPS:
        page = await person.text(f"/?show={group}")

        assert whole == counts_of(page)
        assert len(rows_of(page)) == int(whole[{"attention": "Needs you"}.get(group, group.capitalize())])


@pytest.mark.usefixtures("seven")
async def test_the_search_looks_into_name_workflow_and_type_as_written(site: Site) -> None:
    viewer = await site.sign_in("viewer")
    searched = {"NUMBER 3": 1, "%_\\": 7, "ticket": 7, "nothing like it": 0, "_umber": 0, "w1": 1}
    for text, found in searched.items():
        page = await viewer.text("/?q=" + text.replace("%", "%25").replace("\\", "%5C"))

        assert found == len(rows_of(page)), text
        assert str(found) == counts_of(page)["All"], text


async def test_a_backfill_is_found_by_the_beginning_of_its_id(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool, name="mine")
    page = await (await site.sign_in("viewer")).text(f"/?q={str(backfill.id)[:8]}")

    assert ["mine"] == rows_of(page)


async def test_older_ones_are_a_page_further(site: Site, pool: Pool) -> None:
    names = [f"n{number:02}" for number in range(53)]
    for name in names:
        await put_into(pool, await make_backfill(pool, name=name), Status.COMPLETED)
    person = await site.sign_in("viewer")
    page = await person.text("/?show=ended")
    older = re.search(r'href="([^"]*cursor=\d+)"', page)

    assert older is not None
    assert names[:2:-1] == rows_of(page)
    assert names[2::-1] == rows_of(await person.text(older[1].replace("&amp;", "&")))
    first = await person.text("/")
    assert names[:-9:-1] == rows_of(first)
    assert len(first) < 60_000


ODD = ["?show=nonsense", "?cursor=x&show=ended", "?cursor=" + "9" * 30, "?utm=1", "?show=ended&cursor=-1", "?q=%20"]


async def test_an_odd_address_is_no_error(site: Site) -> None:
    viewer = await site.sign_in("viewer")
    for query in ODD:
        assert "<h1>Backfills</h1>" in await viewer.text("/" + query), query


async def test_a_remedy_is_offered_to_whoever_may_take_it(site: Site, pool: Pool, clock: FakeClock) -> None:
    backfill = await make_backfill(pool, name="mine")
    await put_into(pool, backfill, Status.PAUSED)
    await pool.execute(
        "UPDATE backfills SET reason_code = 'awaiting_approval', reason_message = 'x', reason_since = $1", clock.now()
    )

    assert "Approve…" in await (await site.sign_in("operator")).text("/")
    assert "Approve…" not in await (await site.sign_in("viewer")).text("/")


async def test_names_of_others_are_text(site: Site, pool: Pool) -> None:
    name = "<script>alert(1)</script>\u202e=cmd & \"quoted\" 'x' 🦀"
    await make_backfill(pool, name=name)
    page = await (await site.sign_in("viewer")).text("/")

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_one_question_for_the_counts_and_one_a_group(
    operations: BackfillOperations, pool: Pool, seven: None
) -> None:
    page = await operations.overview.read(limits=SHOWN_TOGETHER)

    assert 7 == page.total
    assert ["attention", "working", "paused", "waiting", "ended"] == [one.group for one in page.groups]
