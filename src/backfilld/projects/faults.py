"""What is wrong with a pushed project, as an editor or a compiler would say it: file, line, sentence."""

from collections.abc import Iterable
from dataclasses import dataclass

from backfilld.domain.errors import FAULTS_SHOWN, BackfilldError


@dataclass(frozen=True, slots=True, order=True)
class ProjectFault:
    """`line` counts from 1; 0 where no line is to blame. `file` is '' where no file is."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}" if place else self.message


class ProjectInvalid(BackfilldError):
    """A project that cannot be pushed. Carries every fault; the message shows the first of them, a line each."""

    status, code = 400, "invalid_project"

    def __init__(self, faults: Iterable[ProjectFault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        shown = [str(fault) for fault in self.faults[:FAULTS_SHOWN]]
        more = len(self.faults) - len(shown)
        super().__init__("\n".join([*shown, *([f"and {more} more"] if more else [])]))
