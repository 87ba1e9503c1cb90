"""Times in bodies of the dialect.

`fromTime` of a backfill is compared with run times as it stands, so a fraction of a second counts; where a schedule's
own clock may be meant, the text is handed on to be read in its zone.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from backfilld.api.framework.reading.fields import FaultsFound
from backfilld.domain.errors import Fault
from backfilld.domain.schedules.moments import parse_moment


def _moment(value: Any) -> Any:
    if value is None or isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        message = "must be a time as text, such as '2027-03-01T09:00:00+09:00'"
        raise FaultsFound([Fault("", "invalid_type", message)])
    found = parse_moment(value, "", None)
    if isinstance(found, Fault):
        raise FaultsFound([found])
    return found


# To be read where the workflow's zone is known. The format is ours: it tells people, and a test, that this is a time.
MomentText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time-or-local"})]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
