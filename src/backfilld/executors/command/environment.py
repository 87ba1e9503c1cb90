"""What a program is given besides its arguments: a clean environment, and the item on its standard input.

The daemon's own environment holds credentials and the socket of the service manager; a program sees nothing of it but
where programs are, the language, and the home directory.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from backfilld.domain.placeholders import as_text
from backfilld.executors.answers.hiding import Hiding
from backfilld.executors.base import Work
from backfilld.executors.definition import CommandExecutor
from backfilld.executors.definitions.parts import SecretReference
from backfilld.executors.secrets import SecretStore, UnusableSecret

_PLAIN_NAME = re.compile("[a-z_][a-z0-9_]*")  # not what loaders and shells listen to, such as LD_PRELOAD or IFS
_UNPASSABLE = re.compile("[\ud800-\udfff]")
INHERITED = ("PATH", "LANG", "HOME")
DEFAULTS = {"PATH": os.defpath, "LANG": "C.UTF-8"}


def inherited(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every program gets of our environment."""
    environ = os.environ if environ is None else environ
    return DEFAULTS | {name: environ[name] for name in INHERITED if environ.get(name)}


def item_variables(work: Work) -> dict[str, str]:
    """What a program may want to know without reading JSON."""
    return _subject(work) | {
        "BACKFILLD_IDEMPOTENCY_KEY": work.idempotency_key,
        "BACKFILLD_ATTEMPT": str(work.attempt),
        "BACKFILLD_REHEARSAL": str(work.rehearsal).lower(),
        "BACKFILLD_WORKFLOW_ID": str(work.workflow_id),
        "BACKFILLD_WORKFLOW_NAME": work.workflow_name,
        "BACKFILLD_BACKFILL_ID": "" if work.backfill_id is None else str(work.backfill_id),
    }


def _subject(work: Work) -> dict[str, str]:
    if work.session is not None:
        return {"BACKFILLD_SESSION_TIME": work.session.get("session_time", "")}
    return {"BACKFILLD_ENTITY_TYPE": work.entity_type, "BACKFILLD_ENTITY_ID": work.entity_id}


def session_environment(work: Work) -> dict[str, str]:
    """The variables of a session under their own names, as far as programs can be given them.

    They stand behind everything else: no param may become another PATH.
    """
    return {
        name: text
        for name, value in work.variables.items()
        if _PLAIN_NAME.fullmatch(name) and "\0" not in (text := as_text(value)) and not _UNPASSABLE.search(text)
    }


def variables_of(definition: CommandExecutor, secrets: SecretStore) -> tuple[dict[str, str], Hiding]:
    """The workflow's own variables, and what hides the secret ones. SecretMissing, UnusableSecret."""
    variables: dict[str, str] = {}
    confidential: list[str] = []
    for name, value in definition.env.items():
        if isinstance(value, SecretReference):
            text = secrets.get(value.secret).present
            if "\0" in text:
                raise UnusableSecret(f"the secret '{value.secret}' holds a NUL, which no variable can")
            confidential.append(text)
        else:
            text = value
        variables[name] = text
    return variables, Hiding(confidential)


@contextmanager
def as_input(body: bytes) -> Iterator[int]:
    """`body` as a descriptor to be read from its beginning.

    A file in memory and not a pipe: a program that reads late, or never, keeps nobody waiting.
    """
    try:
        descriptor = os.memfd_create("item")
    except (AttributeError, OSError):
        with tempfile.TemporaryFile() as file:
            file.write(body)
            file.seek(0)
            yield file.fileno()
        return
    with os.fdopen(descriptor, "w+b") as file:
        file.write(body)
        file.seek(0)
        yield descriptor
