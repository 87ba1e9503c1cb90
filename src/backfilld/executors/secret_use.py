"""Which workflows may name a secret, and where it may be sent.

Whoever may define workflows never sees a secret, but says where it goes. So the configuration says of each secret for
whom it is; what opens a source or the database is for no workflow at all.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from backfilld.domain.errors import Fault, did_you_mean, pointer
from backfilld.executors.definition import Executor
from backfilld.executors.definitions.http import HttpExecutor
from backfilld.executors.http.addresses import host_is_listed
from backfilld.executors.http.templated.rules import urls_of

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class SecretUse:
    """`hosts` and `used_by` None: any. `kept_for`: what it opens, so that no workflow may name it."""

    hosts: tuple[str, ...] | None = None
    used_by: tuple[str, ...] | None = None
    kept_for: str | None = None


def uses_of(
    secrets: Mapping[str, Mapping[str, Any]], kept: Mapping[str, str], own_files: Mapping[Any, str]
) -> dict[str, SecretUse]:
    """What there is to say of each secret. `kept`: secret → what it opens; `own_files`: file → what it is for."""
    return {
        name: SecretUse(
            _texts(settings.get("hosts")),
            _texts(settings.get("used_by")),
            kept.get(name) or own_files.get(settings.get("file") or ""),
        )
        for name, settings in secrets.items()
    }


def _texts(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    return tuple(each for each in value if isinstance(each, str))


def secret_use_faults(
    executor: Executor, project: str, workflow: str, uses: Mapping[str, SecretUse]
) -> Iterator[Fault]:
    """Secrets that this workflow may not name, or not send where it does; paths are pointers into the executor."""
    for where, name in executor.secret_references().items():
        use = uses.get(name)
        if use is not None:
            for message in _problems(name, use, executor, project, workflow):
                yield Fault(pointer(*where, "secret"), "secret_not_allowed", message)


def _problems(name: str, use: SecretUse, executor: Executor, project: str, workflow: str) -> Iterator[str]:
    if use.kept_for is not None:
        yield f"the secret '{name}' is kept for {use.kept_for}; no workflow may name it"
        return
    if use.used_by is not None and not is_named(use.used_by, project, workflow):
        near = did_you_mean(f"{project}/{workflow}", use.used_by)
        yield f"secrets.{name}.used_by does not name the workflow '{workflow}' of the project '{project}'{near}"
    if use.hosts is None:
        return
    if not isinstance(executor, HttpExecutor):
        yield f"the secret '{name}' may be sent to the hosts in secrets.{name}.hosts alone, and given to no program"
        return
    for host, port in dict.fromkeys(_reached_by(executor)):
        if not host_is_listed(host, port, use.hosts):
            yield f"'{host}' is not among secrets.{name}.hosts{did_you_mean(host, use.hosts)}"


def is_named(used_by: Collection[str], project: str, workflow: str) -> bool:
    """Whether a `used_by` of the configuration names a workflow."""
    names: set[str] = set()
    if "/" not in project:  # else its name could be read as another project and the beginning of a name
        names |= {f"{project}/{workflow}", f"{project}/*"}
    if project == "default" and "/" not in workflow:
        names.add(workflow)
    return not names.isdisjoint(used_by)


def _reached_by(executor: HttpExecutor) -> Iterator[tuple[str, int]]:
    for url in urls_of(executor).values():
        try:
            parts = urlsplit(url)
            yield parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
        except (ValueError, KeyError):
            continue  # is no URL, which is told elsewhere
