"""What definitions of all kinds are made of."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from backfilld.domain.errors import Fault
from backfilld.domain.schedules import parse_schedule_zone

MOST_CREDITS = 1e12  # that one entity may cost, or a target may report
DEFAULT_TIMEOUT_SECONDS = 60.0
LONGEST_TIMEOUT_SECONDS = 86_400.0
LONGEST_ON_ENGINES_SECONDS = 30 * 86_400.0  # a try that only waits costs nothing
DEFAULT_POLL_SECONDS = 5.0
MOST_HEADERS = 50
MOST_ARGUMENTS = 1000
MOST_VARIABLES = 200


class Part(BaseModel):
    """Strict and closed: a misspelt key is a fault, and "3" is not a number."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


def whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _zone(value: str) -> str:
    zone = parse_schedule_zone(value, "")
    if isinstance(zone, Fault):
        raise ValueError(zone.message)
    return value


Attempts = Annotated[int, Field(ge=1, le=20), BeforeValidator(whole)]
Seconds = Annotated[float, Field(gt=0, le=LONGEST_ON_ENGINES_SECONDS)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Url = Annotated[str, Field(min_length=1, max_length=2048)]
Argument = Annotated[str, Field(max_length=65_536)]
Zone = Annotated[str, AfterValidator(_zone)]


class SecretReference(Part):
    """`{"secret": "name"}`: the value stands in [secrets] of the configuration file or among the credentials."""

    secret: Name = Field(description="Name of a secret.")


class ProjectSecretReference(Part):
    """`{"project_secret": "key"}`: the value was set for the workflow's project, by digdag's clients."""

    project_secret: Name = Field(description="Key of a secret of the project.")
