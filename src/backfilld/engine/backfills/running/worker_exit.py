"""Why a worker came to an end: what its runner decides the next step by."""

from enum import Enum


class WorkerExit(Enum):
    """Why the worker came to an end."""

    NOTHING_LEFT = "every item has an outcome"
    SAMPLE_DONE = "the sample is done"
    NOT_NOW = "nothing may start for a while, or somebody stopped it"
