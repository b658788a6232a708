"""The result file of an experiment: rows, and what is needed to judge and to repeat them."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, TypeAlias

import torch
from PIL import Image
from torch import Tensor

from streamlearner.errors import StreamlearnerError

LIBRARIES = ("streamlearner", "torch", "torchvision", "numpy", "kafka-python")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value. Accuracies are fractions. `paper` is the paper's value to compare with, if any.

    `stored_bits` counts what the memory holds; `parameter_bits` networks and tables, which no budget covers.
    `examples` is the length of the stream where only a part of it was learned; None, and left out of the
    file, for the whole stream.
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
    examples: int | None = None

    @property
    def trial(self) -> TrialKey:
        return self.arm, self.budget_bits, self.seed, self.examples


TrialKey: TypeAlias = tuple[str, int, int, int | None]
"""What identifies a trial: arm, budget, seed, length of the stream (None: all of it)."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy over the stream of one trial: `points` are (examples learned, accuracy on the test images of
    the classes seen so far)."""

    arm: str
    budget_bits: int
    seed: int
    points: list[tuple[int, float]]
    examples: int | None = None

    @property
    def trial(self) -> TrialKey:
        return self.arm, self.budget_bits, self.seed, self.examples


@dataclass(frozen=True, slots=True)
class Sheet:
    """Images side by side, `pixels` [H, W] uint8: what a memory decodes or generates. A file of its own."""

    name: str
    pixels: Tensor

    def save(self, beside: Path) -> None:
        """Writes it as PNG, named after the result file."""
        Image.fromarray(self.pixels.numpy()).save(beside.with_name(f"{beside.stem}-sheet-{self.name}.png"))


def tiled(rows: Sequence[Sequence[Tensor] | Tensor]) -> Tensor:
    """Images [1, H, W] uint8, row after row, as one image [rows * H, columns * W]; black where a row is
    short."""
    height, width = rows[0][0].shape[1:]
    columns = max(len(row) for row in rows)
    sheet: Tensor = torch.zeros(len(rows) * height, columns * width, dtype=torch.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] = image[0]
    return sheet


@dataclass(frozen=True, slots=True)
class Record:
    """A result file as read: all rows and curves, the versions and machines that measured them."""

    experiment: str
    protocol: str
    quick: bool
    held_out: bool
    versions: dict[str, str]
    machine: dict[str, str]
    rows: list[Row]
    curves: list[Curve] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises StreamlearnerError for a file that is no result."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                experiment=found["experiment"],
                protocol=found["protocol"],
                quick=found.get("quick", False),
                held_out=found.get("held_out", False),
                versions=found["versions"],
                machine=found["machine"],
                rows=[Row(**row) for row in found["rows"]],
                curves=[Curve(**curve) for curve in found.get("curves", [])],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StreamlearnerError(
                f"{path} is no result of `bench run` ({type(error).__name__}: {error}); move it away"
            ) from error


class Result:
    """The result file of one experiment, `folder`/NAME.json, to be added to. It is written after each trial,
    so that an interrupted run resumes; several processes may each do some of its trials at once.

    Results on held-out images, which serve to choose settings, go to NAME-held-out.json.

    Raises StreamlearnerError where the file holds results of another protocol, or of a quick run while these
    are not (or the other way round). Nothing measured is ever overwritten.
    """

    def __init__(
        self, folder: Path, *, name: str, protocol: str, quick: bool, held_out: bool = False
    ) -> None:
        self.path = folder / f"{name}{'-held-out' if held_out else ''}.json"
        self.name = name
        self.protocol = protocol
        self.quick = quick
        self.held_out = held_out
        self.versions = versions()
        self.machine = machine()
        self.rows: list[Row] = []
        self.curves: list[Curve] = []
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
        self.rows, self.curves = list(found.rows), list(found.curves)
        self.versions = merged(found.versions, self.versions)
        self.machine = merged(found.machine, self.machine)

    def has(self, *, arm: str, budget_bits: int, seed: int, examples: int | None = None) -> bool:
        return any(row.trial == (arm, budget_bits, seed, examples) for row in self.rows)

    def add(self, rows: Sequence[Row], curves: Sequence[Curve] = ()) -> None:
        """Appends what a finished trial measured and replaces the file atomically. What another process has
        written meanwhile is kept; of a trial that both did, the first result."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.parent):
            if self.path.exists():
                self._resume(Record.read(self.path))
            done = {row.trial for row in self.rows}
            self.rows += [row for row in rows if row.trial not in done]
            self.curves += [curve for curve in curves if curve.trial not in done]
            aside = self.path.with_suffix(".tmp")
            aside.write_text(json.dumps(self._document(), indent=1) + "\n", encoding="utf-8")
            os.replace(aside, self.path)

    def _document(self) -> dict[str, Any]:
        return {
            "experiment": self.name,
            "protocol": self.protocol,
            **({"quick": True} if self.quick else {}),
            **({"held_out": True} if self.held_out else {}),
            "versions": self.versions,
            "machine": self.machine,
            "rows": [as_json(row) for row in self.rows],
            **({"curves": [as_json(curve) for curve in self.curves]} if self.curves else {}),
        }


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds an exclusive lock on the folder among the processes that write results there; the system releases
    it if this one dies."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def as_json(entry: Row | Curve) -> dict[str, Any]:
    """The fields for the file; `examples` only where it is not None."""
    return {name: value for name, value in asdict(entry).items() if name != "examples" or value is not None}


def merged(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """Facts of all runs that added to a file, different values side by side: `2.13.0; 2.14.0`."""
    found = dict(before)
    for name, value in now.items():
        known = found.get(name, value).split("; ")
        found[name] = "; ".join(dict.fromkeys([*known, *value.split("; ")]))
    return found


def versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}


def machine() -> dict[str, str]:
    return {"processor": processor(), "cores": str(os.cpu_count()), "system": platform.system()}


def processor() -> str:
    """The processor's name, as Linux or else Python reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
