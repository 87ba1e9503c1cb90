"""Definitions of work that an engine does which people already run: each names an engine of the configuration."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from backfilld.executors.definitions.parts import Name, Part


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("contains control characters")
    return value


EngineId = Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]


class EngineWork(Part):
    """What the definitions of all engines have."""

    type: str
    engine: Name = Field(description="An engine of the configuration.", examples=["wf"])

    def secret_references(self) -> dict[tuple[str, ...], str]:
        """None: what lets us in stands beside the engine."""
        return {}


class DigdagExecutor(EngineWork):
    """Have a digdag server, or Treasure Workflow, run one of its workflows."""

    type: Literal["digdag"]
    project: Name = Field(description="The project there.", examples=["reports"])
    workflow: Name = Field(description="The workflow there.", examples=["daily"])
    workflow_id: EngineId = Field(
        description="The id there of the revision that is run; a mirror follows the latest.", examples=["1123"]
    )


TemporalName = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_printable)]


class TemporalExecutor(EngineWork):
    """Have workers of Temporal do it: one run of a workflow per try."""

    type: Literal["temporal"]
    task_queue: TemporalName = Field(description="Where the workers listen.", examples=["enrich"])
    workflow_type: TemporalName = Field(description="The workflow as they call it.", examples=["EnrichTicket"])
    final_types: Annotated[list[Name], Field(max_length=100)] = Field(
        default_factory=list,
        examples=[["NoSuchTicket"]],
        description="Types of application errors after which an item is not tried again, besides those that are said to"
        " be non-retryable.",
    )
