"""Every page there is, in one list."""

from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.operations.system.every import SystemOperations
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page
from backfilld.web.live.hub import Hub
from backfilld.web.live.stream import Streams
from backfilld.web.pages.account import routes as account
from backfilld.web.pages.account.sign_in_page import Directory
from backfilld.web.pages.backfill import editing, entity, reruns, steering
from backfilld.web.pages.backfill import routes as backfill
from backfilld.web.pages.new_backfill import routes as new_backfill
from backfilld.web.pages.overview import routes as overview
from backfilld.web.pages.schedules import routes as schedules
from backfilld.web.pages.schedules import steering as schedule_steering
from backfilld.web.pages.schedules.backfill import routes as schedule_backfill
from backfilld.web.pages.session import routes as session
from backfilld.web.pages.system import site as system_pages


def pages(
    frame: Frame, operations: BackfillOperations, system: SystemOperations, verbs: ScheduleVerbs,
    directory: Directory | None = None,
) -> list[Page]:  # fmt: skip
    """As the router takes them."""
    streams = Streams(frame, Hub(frame.clock))
    return [
        *account.pages(frame, directory),
        *overview.pages(frame, streams, operations),
        *new_backfill.pages(frame, operations),
        *backfill.pages(frame, streams, operations, system.audit),
        *entity.pages(frame, operations),
        *steering.pages(frame, operations),
        *reruns.pages(frame, operations),
        *editing.pages(frame, operations),
        *schedules.pages(frame, streams, verbs, system.audit),
        *schedule_steering.pages(frame, verbs),
        *schedule_backfill.pages(frame, verbs),
        *session.pages(frame, streams, verbs),
        *system_pages.pages(frame, streams, system),
    ]
