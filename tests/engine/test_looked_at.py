"""What one looks at in a debugger says what it is and how it stands."""

from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually


async def test_a_run_a_gate_and_a_lease_say_how_they_stand(dsn, pool):
    executor = ScriptedExecutor(connects=0, sends=3600)
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, max_in_flight=2)
    async with engine_on(dsn, pool, executor, ListSource(entities(5))) as engine:
        await eventually(lambda: executor.running == 2)
        text = repr(engine.scheduler.runner(backfill.number)._run)

    assert f"<run of {backfill.id}, running, 2 in flight, <gate of " in text
    assert "2 on their way out, open, <lease of " in text
    assert "renewed at " in text
