"""Keeps every figure at once, so that a comparison that was interrupted goes on where it was.

One line of JSON per run and per finding. What is in the file is not measured again.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures.measured import Run

Finding = dict[str, Any]


@dataclass
class Notebook:
    """Runs by what they are, findings by their name, what went wrong in words."""

    file: Path | None = None
    runs: list[Run] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    @staticmethod
    def opened(file: Path) -> "Notebook":
        """With what `file` holds already."""
        notebook = Notebook()
        for line in file.read_text().splitlines() if file.exists() else ():
            entry = json.loads(line)
            if "run" in entry:
                notebook.add(Run(**entry["run"]))
            else:
                notebook.find(entry["name"], entry["finding"])
        notebook.file = file
        return notebook

    def has(self, contender: str, workload: str, items: int, round: int) -> bool:
        """True if this run was made."""
        return any(
            (run.contender, run.workload, run.items, run.round) == (contender, workload, items, round)
            for run in self.runs
        )

    def add(self, run: Run) -> None:
        self.runs.append(run)
        self._keep({"run": run.as_json()})

    def find(self, name: str, finding: Finding) -> None:
        self.findings[name] = finding
        self._keep({"name": name, "finding": finding})

    def trouble(self, what: str) -> None:
        self.troubles.append(what)

    def of(self, contender: str, workload: str, items: int | None = None) -> list[Run]:
        """Runs of one kind, in their order; `items` None: of the size that has the most rounds."""
        runs = [run for run in self.runs if (run.contender, run.workload) == (contender, workload)]
        if items is None and runs:
            sizes = [run.items for run in runs]
            items = max(sorted(set(sizes)), key=sizes.count)
        return [run for run in runs if run.items == items]

    def _keep(self, entry: dict[str, Any]) -> None:
        if self.file is not None:
            with self.file.open("a") as file:
                file.write(json.dumps(entry) + "\n")
