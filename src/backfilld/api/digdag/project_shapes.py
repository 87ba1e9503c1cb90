"""Projects, their revisions, secrets and workflows as the dialect shows them."""

from typing import Any

from pydantic import Field

from backfilld.api.digdag.shapes import Json, NamedShape, Shape, instant, named, optional_instant
from backfilld.api.digdag.stand_ins import survivable
from backfilld.api.framework.reading.fields import InstantShown, InstantShownOrNull
from backfilld.store.admin.projects import Project, Push, WorkflowRevision

STORED, NOTHING_STORED = "db", "none"
EMPTY = "none"  # the revision of a project that has no workflow; clients insist on one


class ProjectShape(Shape):
    """A project, and its newest revision."""

    id: str
    name: str
    revision: str = Field(description="name of the newest push; of the newest definition where nothing was pushed")
    created_at: InstantShown
    updated_at: InstantShown
    deleted_at: InstantShownOrNull
    archive_type: str = Field(description="db; none: nothing was pushed, so there is no archive")
    archive_md5: str | None = Field(description="base64")


class ProjectsShape(Shape):
    projects: list[ProjectShape]


class RevisionShape(Shape):
    """One push."""

    revision: str
    created_at: InstantShown
    archive_type: str
    archive_md5: str
    user_info: dict[str, Any]


class RevisionsShape(Shape):
    revisions: list[RevisionShape]


class SecretShape(Shape):
    """Only the key: no value is ever shown."""

    key: str


class SecretOfProjectShape(SecretShape):
    """After a change; digdag's own client needs both."""

    project: NamedShape


class SecretsShape(Shape):
    secrets: list[SecretShape]


class WorkflowShape(Shape):
    """One definition of a workflow; the id is the definition's."""

    id: str
    name: str
    project: NamedShape
    revision: str
    timezone: str
    config: dict[str, Any] = Field(description="as it was written, without its timezone")


class WorkflowsShape(Shape):
    workflows: list[WorkflowShape]


@survivable(ProjectShape)
def project(one: Project) -> Json:
    return {
        "id": str(one.id),
        "name": one.name,
        "revision": one.revision or EMPTY,
        "createdAt": instant(one.created_at),
        "updatedAt": instant(one.updated_at),
        "deletedAt": optional_instant(one.deleted_at),
        "archiveType": NOTHING_STORED if one.archive_md5 is None else STORED,
        "archiveMd5": one.archive_md5,
    }


@survivable(RevisionShape)
def revision(push: Push) -> Json:
    return {
        "revision": push.name,
        "createdAt": instant(push.created_at),
        "archiveType": STORED,
        "archiveMd5": push.archive_md5,
        "userInfo": {"pushedBy": push.pushed_by},
    }


@survivable(WorkflowShape)
def workflow(one: WorkflowRevision) -> Json:
    return {
        "id": str(one.id),
        "name": one.name,
        "project": named(one.project_id, one.project_name),
        "revision": one.revision,
        "timezone": one.timezone,
        "config": {key: value for key, value in one.document.items() if key != "timezone"},
    }
