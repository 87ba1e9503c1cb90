"""Why somebody wants something: text of people, kept in the audit log."""

from typing import Annotated

from pydantic import Field

from backfilld.api.framework.reading.fields import Body
from backfilld.domain.backfill_settings import MOST_REASON

Reason = Annotated[str, Field(max_length=MOST_REASON)]


class Why(Body):
    """For verbs that have no body."""

    reason: Reason | None = Field(None, description="why; kept in the audit log", examples=["asked for by its owner"])
