"""What a bench run writes: rows, with all that is needed to judge and to repeat them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from streamlearner.errors import StreamlearnerError

LIBRARIES = ("streamlearner", "torch", "torchvision", "numpy", "kafka-python")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure. Accuracies are fractions. `paper` is the figure to stand
    beside, where there is one.

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


@dataclass(frozen=True, slots=True)
class Record:
    """A result file as it was read: all rows, and what they were measured with."""

    experiment: str
    protocol: str
    quick: bool
    versions: dict[str, str]
    machine: dict[str, str]
    rows: list[Row]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises StreamlearnerError for a file that is no result."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                experiment=found["experiment"],
                protocol=found["protocol"],
                quick=found.get("quick", False),
                versions=found["versions"],
                machine=found["machine"],
                rows=[Row(**row) for row in found["rows"]],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StreamlearnerError(
                f"{path} is no result of `bench run` ({type(error).__name__}: {error}); move it away"
            ) from error


class Result:
    """The rows of one experiment in `folder`/NAME.json. Written after each trial, so an
    interrupted run resumes.

    Raises StreamlearnerError where that file holds what does not belong beside these rows: another protocol's
    figures, or smoke figures beside full ones. Nothing measured is ever written over.
    """

    def __init__(self, folder: Path, *, name: str, protocol: str, quick: bool) -> None:
        self.path = folder / f"{name}.json"
        self.name = name
        self.protocol = protocol
        self.quick = quick
        self.versions = versions()
        self.machine = machine()
        self.rows: list[Row] = []
        if self.path.exists():
            self._resume(Record.read(self.path))

    def _resume(self, found: Record) -> None:
        if found.quick != self.quick:
            kinds = {True: "those of a quick run", False: "full ones"}
            raise StreamlearnerError(
                f"{self.path} holds results, {kinds[found.quick]}, and these would be {kinds[self.quick]}: "
                "name another folder with --out"
            )
        if found.protocol != self.protocol:
            raise StreamlearnerError(
                f"{self.path} holds results of another protocol than this version's; move it away, or name "
                f"another folder with --out. Its protocol: {found.protocol}"
            )
        self.rows = list(found.rows)
        self.versions = joined(found.versions, self.versions)
        self.machine = joined(found.machine, self.machine)

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
            **({"quick": True} if self.quick else {}),
            "versions": self.versions,
            "machine": self.machine,
            "rows": [asdict(row) for row in self.rows],
        }


def joined(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """What differs between the runs that filled a file stands side by side: `2.13.0; 2.14.0`."""
    told = dict(before)
    for name, value in now.items():
        known = told.get(name, value).split("; ")
        told[name] = "; ".join(known if value in known else [*known, value])
    return told


def versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}


def machine() -> dict[str, str]:
    return {"processor": processor(), "cores": str(os.cpu_count()), "system": platform.system()}


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
