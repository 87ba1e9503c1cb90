"""What this daemon or its database has not enough of, while a backfill would go on."""

from datetime import datetime

from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.engine.backfills.run import Run
from backfilld.store.connection import transient_errors


def shortage(run: Run, works: bool, now: datetime) -> Reason | None:
    """What the run waits for the database for, or that every place is taken; None: nothing is short.

    `works`: it has got as far as to start items.
    """
    tools, writer, code = run.context, run.status_writer, ReasonCode.WAITING_FOR_CAPACITY
    if (obstacle := tools.keeper.obstacle) is not None and not run.lease.is_safe(tools.clock.boottime()):
        since = tools.keeper.obstacle_since or now
        return because(code, since=since, case="lease", problem=transient_errors.in_words(obstacle))
    if (obstacle := tools.recorder.obstacle) is not None and works:
        since, outcomes, problem = tools.recorder.obstacle_since or now, tools.recorder.unrecorded, obstacle
        return because(
            code, since=since, case="recorder", outcomes=outcomes, problem=transient_errors.in_words(problem)
        )
    if (obstacle := writer.obstacle) is not None:
        since = writer.obstacle_since or now
        return because(code, since=since, case="database", problem=transient_errors.in_words(obstacle))
    if run.backfill.status is Status.RUNNING and tools.capacity.is_full and tools.capacity.waiting:
        return because(code, since=now, case="places", places=tools.capacity.total)
    return None
