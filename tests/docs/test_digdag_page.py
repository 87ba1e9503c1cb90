"""docs/digdag.md names every route of the dialect, and every key of a backfill."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from backfilld.api.digdag import attempts, logs, projects, schedules, sessions, workflows

PAGE = (Path(__file__).parents[2] / "docs" / "digdag.md").read_text(encoding="utf-8")
NOBODY = cast(Any, SimpleNamespace(store=None))  # no handler is called here


def test_every_route_stands_in_the_table_and_no_other() -> None:
    routes = [
        *attempts.routes(NOBODY, NOBODY),
        *logs.routes(NOBODY),
        *projects.routes(NOBODY, max_body_bytes=1),
        *schedules.routes(NOBODY, NOBODY, NOBODY),
        *sessions.routes(NOBODY),
        *workflows.routes(NOBODY),
    ]
    table = PAGE.partition("\n## Routes\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"/api/[^`]+", table)) - {"/api/version", "/api/version/check"}

    assert named == {route.path for route in routes if not route.hidden}


def test_every_key_of_a_backfill_stands_there() -> None:
    keys = {field.alias for field in schedules.BackfillSchedule.model_fields.values()}
    tables = PAGE.partition("\n## Backfilling a schedule\n")[2].partition("\n## ")[0]

    assert keys == set(re.findall(r"^\| `(\w+)` \|", tables, re.MULTILINE))
