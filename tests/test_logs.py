"""Log lines are for people on a terminal, for machines elsewhere, and never carry a secret."""

import io
import json
import logging
import os
from dataclasses import fields
from uuid import UUID

import pytest
import structlog

from backfilld.bus import Bus
from backfilld.events import BreakerMoved, DatabaseLost, Event, PlanFrozen, StatusChanged, TryEnded
from backfilld.logs import EventLog, configure_logging
from backfilld.logs.setup import goes_to_journal

KEY = "neo_sk_live_Zm9vYmFyYmF6cXV4"


@pytest.fixture(autouse=True)
def _restored():
    """Whatever a test sets up is gone afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_elsewhere_than_on_a_terminal_a_line_is_json():
    configure_logging(stream=(stream := io.StringIO()))
    structlog.get_logger("backfilld.x").info("hello", count=3)

    (line,) = lines(stream)
    assert ("hello", 3, "info", "backfilld.x") == (line["event"], line["count"], line["level"], line["logger"])
    assert line["timestamp"].endswith("Z")


def test_a_line_of_json_begins_with_when_how_bad_and_what():
    configure_logging(stream=(stream := io.StringIO()))
    structlog.get_logger("backfilld.x").warning("hello", a=3)

    assert ["timestamp", "level", "event"] == list(lines(stream)[0])[:3]


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)])
def test_a_terminal_gets_no_colours_where_nobody_wants_them(environ, coloured):
    configure_logging(stream=(stream := Terminal()), environ=environ)
    structlog.get_logger("backfilld.x").info("hello")

    assert coloured is ("\x1b[" in stream.getvalue())


def test_on_a_terminal_a_line_is_for_people():
    configure_logging(stream=(stream := Terminal()))
    structlog.get_logger("backfilld.x").info("hello", count=3)

    assert "hello" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_the_standard_library_goes_the_same_way():
    configure_logging(stream=(stream := io.StringIO()))
    logging.getLogger("asyncio").error("task %s failed", 7)
    logging.getLogger("asyncio").info("chatter")

    assert ["task 7 failed"] == [line["event"] for line in lines(stream)]


def test_what_is_bound_to_the_request_is_in_every_line():
    configure_logging(stream=(stream := io.StringIO()))
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger().info("ours")
        logging.getLogger("theirs").warning("theirs")

    assert ["r1", "r1"] == [line["request_id"] for line in lines(stream)]


def test_a_level_can_be_changed_later_for_loggers_that_are_there():
    log = structlog.get_logger("backfilld.x")
    configure_logging("warning", stream=io.StringIO())
    log.info("unheard")
    configure_logging("debug", stream=(stream := io.StringIO()))
    log.debug("heard")

    assert ["heard"] == [line["event"] for line in lines(stream)]


@pytest.mark.parametrize(
    "said",
    [
        {"api_key": KEY},
        {"note": f"the key {KEY} was used"},
        {"dsn": "postgresql://u:tiger@h/x"},
        {"note": "cannot connect to postgresql://u:tiger@h/x"},
        {"headers": {"Authorization": "Bearer tiger", "X": ["Bearer tiger"]}},
        {"webhook_secret": "tiger"},
        {"note": "got Authorization: TD1 tiger/tiger"},
        {"deep": {"a": [{"password": "tiger"}]}},
        {"note": ValueError("postgresql://u:tiger@h/x")},
    ],
)
def test_secrets_are_kept_out(said):
    configure_logging(stream=(stream := io.StringIO()))
    structlog.get_logger().info("hello", **said)
    logging.getLogger("theirs").warning("%s", said)

    assert "tiger" not in stream.getvalue()
    assert "Zm9vYmFyYmF6cXV4" not in stream.getvalue()
    assert "[redacted]" in stream.getvalue()


def test_a_secret_in_an_exception_is_kept_out_and_the_traceback_stays_on_the_line():
    configure_logging(stream=(stream := io.StringIO()))
    try:
        raise ConnectionError("postgresql://u:tiger@h/x")
    except ConnectionError:
        structlog.get_logger().exception("lost")

    (line,) = lines(stream)
    assert "ConnectionError" in line["exception"]
    assert "tiger" not in stream.getvalue()


def test_a_value_that_json_does_not_know_does_not_lose_the_line():
    configure_logging(stream=(stream := io.StringIO()))
    structlog.get_logger().info("hello", what=object(), huge=2**80)

    assert "hello" in stream.getvalue()


def test_under_journald_lines_carry_their_priority(tmp_path):
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        configure_logging(stream=stream, environ={"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        structlog.get_logger().info("fine")
        structlog.get_logger().error("bad")
        stream.seek(0)
        starts = [line[:4] for line in stream]

    assert ["<6>{", "<3>{"] == starts


def test_a_redirected_stream_is_not_the_journal(tmp_path):
    with (tmp_path / "file").open("w") as stream:
        assert not goes_to_journal(stream, {"JOURNAL_STREAM": "8:1234"})
        assert not goes_to_journal(stream, {})


def test_an_event_is_a_line_in_words():
    configure_logging(stream=(stream := io.StringIO()))
    bus = Bus()
    bus.listen(EventLog())
    bus.tell(PlanFrozen(UUID(int=5), "classify", 100, 3, 0.5))
    bus.tell(DatabaseLost("gone"))

    plan, lost = lines(stream)
    assert ("plan frozen", "info", "classify", str(UUID(int=5))) == (
        plan["event"],
        plan["level"],
        plan["workflow"],
        plan["backfill_id"],
    )
    assert ("database lost", "warning") == (lost["event"], lost["level"])


@pytest.mark.parametrize("kind", Event.__subclasses__(), ids=lambda kind: kind.__name__)
def test_no_field_of_an_event_takes_the_place_of_what_every_line_has(kind):
    names = {field.name for field in fields(kind)}

    assert not names & {"event", "level", "timestamp", "logger", "exc_info", "stack_info", "request_id"}


def test_single_tries_are_told_only_when_asked_for():
    tried = TryEnded(UUID(int=5), "classify", "http://x", "succeeded", None, 0.1)
    configure_logging("info", stream=(quiet := io.StringIO()))
    EventLog()(tried)
    configure_logging("debug", stream=(loud := io.StringIO()))
    EventLog()(tried)

    assert "" == quiet.getvalue()
    assert ["try ended"] == [line["event"] for line in lines(loud)]


def test_an_outage_is_one_line_however_often_it_is_probed():
    configure_logging("info", stream=(stream := io.StringIO()))
    log = EventLog()
    for state in ("open", "half_open", "open", "half_open", "open", "closed", "closed", "open", "refusing"):
        log(BreakerMoved("crm", state, "away"))
    log(BreakerMoved("shop", "open", "away"))

    assert [
        ("crm", "open"), ("crm", "closed"), ("crm", "closed"), ("crm", "open"), ("crm", "refusing"), ("shop", "open"),
    ] == [(line["target"], line["state"]) for line in lines(stream)]  # fmt: skip


def test_what_comes_and_goes_is_told_when_it_is_new():
    configure_logging("info", stream=(stream := io.StringIO()))
    for again in (None, True, True):
        EventLog()(StatusChanged(UUID(int=5), "classify", "running", "rate_limited", "slow", again=again))

    (line,) = lines(stream)
    assert "again" not in line
