"""`backfilld sources …` as people read it."""

from tests.support.stub_daemon import Scripted

RECORD = {"id": "7", "attributes": {"id": 7, "title": "x" * 60, "udf": {"Region": "North", "a.b": None}, "queue": None}}
TESTED = {
    "entity_type": "ticket", "source": "http", "healthy": True, "problem": None,
    "fields": {"id": "integer", "gone": "date"},
    "count": 3000, "record": RECORD, "requests": 1, "seconds": 0.53784,
}  # fmt: skip


async def test_a_test_shows_each_field_with_its_value(backfilld, daemon):
    daemon.script("POST", "/public-api/sources/ticket/test", Scripted(data={"test": TESTED}))
    ended = await backfilld("sources", "test", "ticket")

    assert [
        "FIELD       TYPE     OF 7",
        "gone        date",
        "id          integer  7",
        "queue       -        null",
        f"title       -        {'x' * 39}…",
        "udf.Region  -        North",
        r"udf.a\.b    -        null",
        "Entities: 3,000",
        "It took 1 request, 0.538 s.",
    ] == ended.out.splitlines()
    assert all(len(line) <= 80 for line in ended.out.splitlines())


async def test_a_problem_is_told_whole_below_the_table(backfilld, daemon):
    problem = (
        "psa: POST /Tickets/query answers 401; the credentials of api@example.com are refused: mend secrets.autotask"
    )
    budget = {"limit": 5000, "used": 8, "until": None}
    one = {"name": "psa", "kind": "http", "entity_types": ["ticket", "note"], "healthy": False, "problem": problem}
    daemon.script("GET", "/public-api/sources", Scripted(data={"sources": [one | {"budget": budget}]}))
    ended = await backfilld("sources", "list")

    assert [
        "SOURCE  KIND  BUDGET      HEALTH   TYPES",
        "psa     http  8 of 5,000  problem  ticket, note",
        problem,
    ] == ended.out.splitlines()
