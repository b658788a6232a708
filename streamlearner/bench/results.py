"""What a bench run writes: rows, with all that is needed to judge and to repeat them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("streamlearner", "torch", "torchvision", "numpy", "kafka-python")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure. Accuracies are fractions. `paper` is the figure to stand beside, where there is one.

    `stored_bits` counts what was remembered; `parameter_bits` networks and tables, apart.
    """

    arm: str
    budget_bits: int
    stored_bits: int
    parameter_bits: int
    seed: int
    metric: str
    value: float
    paper: float | None
    seconds: float
    examples_per_s: float


class Result:
    """The rows of one experiment in `folder`/NAME.json. Written after each trial, so an interrupted run resumes."""

    def __init__(self, folder: Path, *, name: str, protocol: str, quick: bool) -> None:
        self.path = folder / f"{name}.json"
        self.name = name
        self.protocol = protocol
        self.quick = quick
        self.rows: list[Row] = self._read()

    def _read(self) -> list[Row]:
        if not self.path.exists():
            return []
        found = json.loads(self.path.read_text(encoding="utf-8"))
        if found["protocol"] != self.protocol or found["quick"] != self.quick:
            return []  # another experiment's figures do not belong beside these
        return [Row(**row) for row in found["rows"]]

    def has(self, *, arm: str, budget_bits: int, seed: int) -> bool:
        return any((row.arm, row.budget_bits, row.seed) == (arm, budget_bits, seed) for row in self.rows)

    def add(self, rows: Sequence[Row]) -> None:
        """Appends the rows of a finished trial and writes the file, whole or not at all."""
        self.rows += rows
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".tmp")
        aside.write_text(json.dumps(self._document(), indent=1) + "\n", encoding="utf-8")
        os.replace(aside, self.path)

    def _document(self) -> dict[str, Any]:
        return {
            "experiment": self.name,
            "protocol": self.protocol,
            "quick": self.quick,
            "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
            "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()},
            "rows": [asdict(row) for row in self.rows],
        }


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
