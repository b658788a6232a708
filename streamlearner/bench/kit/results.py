"""What a bench run writes: rows, with all that is needed to judge and to repeat them."""

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
    """One measured figure. Accuracies are fractions. `paper` is the figure to stand
    beside, where there is one.

    `stored_bits` counts what was remembered; `parameter_bits` networks and tables, apart. `examples` is the
    length of the stream where only a part of it was learned; None, and not in the file, for the whole.
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
    def trial(self) -> Key:
        return self.arm, self.budget_bits, self.seed, self.examples


Key: TypeAlias = tuple[str, int, int, int | None]
"""Of a trial: arm, budget, seed, length of the stream (None: the whole)."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy over the stream of one trial: `points` are (examples taken, accuracy on test pictures of the
    classes met so far)."""

    arm: str
    budget_bits: int
    seed: int
    points: list[tuple[int, float]]
    examples: int | None = None

    @property
    def trial(self) -> Key:
        return self.arm, self.budget_bits, self.seed, self.examples


@dataclass(frozen=True, slots=True)
class Sheet:
    """Images side by side, `pixels` [H, W] uint8: what a memory shows. Kept as a picture of its own."""

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
    """A result file as it was read: all rows and curves, and what they were measured with."""

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
    """The rows of one experiment in `folder`/NAME.json. Written after each trial, so an
    interrupted run resumes; several processes may each do some of its trials at once.

    Figures on held-out images go to NAME-held-out.json: they choose settings, and prove nothing.

    Raises StreamlearnerError where that file holds what does not belong beside these rows: another protocol's
    figures, or smoke figures beside full ones. Nothing measured is ever written over.
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
        self.versions = joined(found.versions, self.versions)
        self.machine = joined(found.machine, self.machine)

    def has(self, *, arm: str, budget_bits: int, seed: int, examples: int | None = None) -> bool:
        return any(row.trial == (arm, budget_bits, seed, examples) for row in self.rows)

    def add(self, rows: Sequence[Row], curves: Sequence[Curve] = ()) -> None:
        """Appends what a finished trial measured and writes the file, whole or not at all. What another
        process has written meanwhile is kept; of a trial that both did, the first."""
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
            "rows": [told(row) for row in self.rows],
            **({"curves": [told(curve) for curve in self.curves]} if self.curves else {}),
        }


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone among the processes that write results there; released by the system if this one dies."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def told(entry: Row | Curve) -> dict[str, Any]:
    """As JSON; the length of the stream only where it is a part."""
    return {name: value for name, value in asdict(entry).items() if name != "examples" or value is not None}


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
