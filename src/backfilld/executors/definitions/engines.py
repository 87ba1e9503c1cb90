"""Definitions of work that an engine does which people already run: each names an engine of the configuration."""

from typing import Annotated, Literal

from pydantic import Field

from backfilld.executors.definitions.parts import Name, Part

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
