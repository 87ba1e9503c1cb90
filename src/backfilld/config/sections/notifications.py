"""Who is told what happens, and how."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.fields import HttpUrl, Section
from backfilld.config.sections.brakes import WorkflowPattern, urlsplit_host
from backfilld.domain.errors import did_you_mean
from backfilld.domain.notifications.messages import Event, Format
from backfilld.executors.definitions.parts import SecretReference
from backfilld.executors.http.addresses import host_is_never_a_target

EndpointName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]


def _short(value: Any) -> Any:
    return value.removeprefix("backfill.") if isinstance(value, str) else value


class NotificationSettings(Section):
    """One endpoint. Messages are kept until they have arrived, at most a day, and never hold up any work."""

    name: EndpointName = Field(examples=["oncall"], description="What it is called; unique.")
    url: HttpUrl | SecretReference = Field(
        examples=[{"secret": "oncall_url"}],
        description="Where messages go. Slack's and Teams' addresses are secrets: refer to them.",
    )
    format: Format = Field(
        default="standard",
        examples=["slack"],
        description="'standard' (default; Standard Webhooks), 'slack' (an incoming webhook) or 'teams' (a workflow that"
        " posts an Adaptive Card).",
    )
    events: Annotated[tuple[Annotated[Event, BeforeValidator(_short)], ...], Field(strict=False)] | None = Field(
        default=None,
        examples=[["awaiting_approval", "stopped", "held_up", "failed"]],
        description="Of what: created, awaiting_approval, sample_done, stopped, held_up, recovered, completed,"
        " completed_with_failures, cancelled, failed. Left out: of all.",
    )
    workflows: Annotated[tuple[WorkflowPattern, ...], Field(strict=False)] | None = Field(
        default=None, examples=[["sales/*"]], description="Of which: 'name', 'project/name' or 'project/*'."
    )
    secret: SecretReference | None = Field(
        default=None,
        examples=[{"secret": "desk_signing"}],
        description="standard: signs each message; two signatures while the secret has two lines.",
    )

    @model_validator(mode="after")
    def _signs_what_can_be_signed(self) -> "NotificationSettings":
        if self.secret is not None and self.format != "standard":
            raise ValueError(f"'secret' has no meaning for format '{self.format}', which nobody checks a signature of")
        return self


def url_problem(url: str, format: Literal["standard", "slack", "teams"]) -> str | None:
    """Why messages cannot go there; None: they can. Says nothing of the address, which may be a secret."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must be a URL that starts with http:// or https://"
    if host_is_never_a_target(host):
        return "is link-local or a cloud's metadata service, which is never told anything"
    if format == "slack" and parts.path.startswith(("/workflows/", "/triggers/")):
        return "belongs to Slack's Workflow Builder, which takes other messages: make an incoming webhook (/services/…)"
    return None


def faults_in_notifications(tree: Mapping[str, Any], where: str) -> Iterator[ConfigFault]:
    """What the shape does not show: names given twice, secrets that there are not, addresses that cannot be."""
    endpoints, secrets = tree.get("notifications"), tree.get("secrets")
    known = list(secrets) if isinstance(secrets, dict) else []
    seen: set[str] = set()
    for number, endpoint in enumerate(endpoints) if isinstance(endpoints, list) else ():
        if not isinstance(endpoint, dict):
            continue
        path = ("notifications", number)
        if (name := str(endpoint.get("name"))) in seen:
            yield ConfigFault(where, dotted((*path, "name")), f"there is a '{name}' already")
        seen.add(name)
        url = endpoint.get("url")
        if isinstance(url, str) and urlsplit_host(url):
            problem = url_problem(url, endpoint.get("format", "standard"))
            if problem is not None:
                yield ConfigFault(where, dotted((*path, "url")), problem)
        for key in ("url", "secret"):
            reference = endpoint.get(key)
            secret = reference.get("secret") if isinstance(reference, dict) else None
            if isinstance(secret, str) and secret not in known:
                message = f"there is no secret '{secret}'{did_you_mean(secret, known)}"
                yield ConfigFault(where, dotted((*path, key, "secret")), message)
