"""`python -m tests.soak --examples 1000000`: a daemon for long, and what of it grows that should not.

It learns vectors pushed over HTTP, sleeps, writes checkpoints, answers predictions and is scraped, all the
time. At each tenth a line says what it holds and takes. After the first tenth none of it may grow.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.support.daemon_process import free_port

VALUES, CLASSES, PUSHED = 16, 20, 200
"""Of an input; of the stream; examples in a request."""
MOST_BEHIND = 2_000
"""Examples that wait: more are pushed once fewer do."""
START_S, STALLED_S = 120.0, 300.0
TENTHS = 10
SETTINGS: dict[str, Any] = {
    "precision": "fp32",
    "threads": 1,
    "source": {"type": "push", "push": {"remembered_ids": 2_000}},
    "network": {"name": "mlp_small"},
    "memory": {"budget_bits": "16 KiB"},
    "exam": {"budget_bits": "32 KiB"},
    "sleep": {"every_examples": 1_000, "first_examples": None, "min_examples": 500, "tolerance": 1.0},
    "checkpoint": {"every_examples": 1_000, "every_s": 10.0, "keep_versions": 3},
    "codec": {"remembered_ids": 2_000},
}
"""All that is kept up to a number is full after a tenth of 100,000; so are the logs of SQLite, of 4 MB."""
ALLOWED = {
    "resident MiB": 0.03,
    "descriptors": 0.15,
    "threads": 0.15,
    "disk MiB": 0.15,
    "CPU ms/example": 0.25,
}
"""What each may grow by after the first tenth: descriptors and threads by those of one more connection, disk
by what waits, time by what else the machine does."""


@dataclass(frozen=True)
class Figures:
    """Of the daemon, after so many examples."""

    examples: int
    cpu_s: float
    held: Mapping[str, float]


class Daemon:
    """`streamlearner run` in a process of its own."""

    def __init__(self, folder: Path, *, environ: Mapping[str, str]) -> None:
        self.state_dir, self.log = folder / "state", folder / "log"
        self.address = f"http://127.0.0.1:{(port := free_port())}"
        config = folder / "config.yaml"
        own = {"state_dir": str(self.state_dir), "serving": {"port": port}}
        config.write_text(yaml.safe_dump(SETTINGS | own))
        words = [sys.executable, "-m", "streamlearner", "run", "--config", str(config)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, env={**os.environ, **environ}, stdout=log, stderr=log)
        self._proc = Path(f"/proc/{self.process.pid}")

    def ask(self, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path}: {error.code} {error.read().decode()}") from error

    def wait_until_it_answers(self) -> None:
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            with suppress(urllib.error.URLError, ConnectionError):
                self.ask("/livez")
                return
            time.sleep(0.2)
        raise SystemExit(f"no answer after {START_S:g} s:\n{self.log.read_text()[-2000:]}")

    def taken(self) -> int:
        """Messages so far."""
        return int(json.loads(self.ask("/v1/status"))["messages"])

    def figures(self, examples: int) -> Figures:
        status = (self._proc / "status").read_text()
        user, system = (self._proc / "stat").read_text().rpartition(")")[2].split()[11:13]
        held = {
            "resident MiB": int(_found(r"VmRSS:\s+(\d+)", status)) / 1024,
            "threads": float(_found(r"Threads:\s+(\d+)", status)),
            "descriptors": float(len(list((self._proc / "fd").iterdir()))),
            "disk MiB": _bytes_under(self.state_dir) / 2**20,
        }
        return Figures(examples, (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"), held)

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, pattern
    return found.group(1)


def _bytes_under(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # deleted meanwhile
            total += path.stat().st_size
    return total


def pushed(number: int, side: int) -> list[dict[str, Any]]:
    """The examples of one request: classes come and go, and their means drift."""
    rng = np.random.default_rng(number)
    labels = (rng.integers(5, size=PUSHED) + number // 40) % CLASSES
    values = side * side or VALUES
    means = np.random.default_rng(7).normal(size=(CLASSES, values)) + np.sin(number / 200)
    inputs = means[labels] + rng.normal(size=(PUSHED, values))
    return [
        {"input": as_input(row, side), "label": f"class {label}", "id": f"{number}-{place}"}
        for place, (row, label) in enumerate(zip(inputs, labels.tolist(), strict=True))
    ]


def as_input(values: np.ndarray[Any, Any], side: int) -> object:
    """A vector, or a grey image of so many pixels a side."""
    if not side:
        return [round(float(value), 4) for value in values]
    pixels = (values * 30 + 128).clip(0, 255).astype(np.uint8).tobytes()
    return {"b64": base64.b64encode(pixels).decode(), "shape": [side, side, 1], "dtype": "uint8"}


def lived(daemon: Daemon, examples: int, *, side: int) -> list[Figures]:
    """Pushes so many, asks meanwhile, and looks at each tenth."""
    found, number, last_s, last = [daemon.figures(0)], 0, time.monotonic(), 0
    while (taken := daemon.taken()) < examples:
        if taken > last:
            last, last_s = taken, time.monotonic()
        elif time.monotonic() - last_s > STALLED_S or daemon.process.poll() is not None:
            raise SystemExit(f"nothing more was learned after {taken}:\n{daemon.log.read_text()[-3000:]}")
        if taken >= examples * len(found) // TENTHS:
            found.append(daemon.figures(taken))
            tell(found)
        if number * PUSHED - taken < MOST_BEHIND and number * PUSHED < examples:
            batch = pushed(number, side)
            daemon.ask("/v1/examples", {"examples": batch})
            number += 1
            if taken:
                daemon.ask("/v1/predict", {"inputs": [one["input"] for one in batch[:100]]})
                daemon.ask("/metrics")
        else:
            time.sleep(0.05)
    found.append(daemon.figures(examples))
    tell(found)
    return found


def per_example(found: Sequence[Figures]) -> list[dict[str, float]]:
    """What is held at each look but the first, and what an example has taken since the one before."""
    pairs = pairwise(found)
    return [
        {**now.held, "CPU ms/example": 1000 * (now.cpu_s - then.cpu_s) / max(1, now.examples - then.examples)}
        for then, now in pairs
    ]


def tell(found: Sequence[Figures]) -> None:
    row = per_example(found)[-1]
    shown = "  ".join(f"{name} {value:8.2f}" for name, value in row.items())
    print(f"{time.strftime('%H:%M:%S')} {found[-1].examples:>9,} examples  {shown}", flush=True)


def grown(found: Sequence[Figures]) -> list[str]:
    """What is larger at the end than after the first tenth, by more than it may be."""
    first, *_, last = per_example(found)
    ratios = {name: last[name] / max(first[name], 1e-9) - 1 for name in ALLOWED}
    return [f"{name}: {100 * ratio:+.1f} %" for name, ratio in ratios.items() if ratio > ALLOWED[name]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument(
        "--side", type=int, default=0, help="grey images of so many pixels a side, no vectors"
    )
    parser.add_argument("--environ", nargs="*", default=[], help="NAME=value for the daemon")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder), environ=dict(pair.split("=", 1) for pair in asked.environ))
        try:
            daemon.wait_until_it_answers()
            found = lived(daemon, asked.examples, side=asked.side)
        finally:
            daemon.close()
    growing = grown(found)
    print("grew: " + ", ".join(growing) if growing else "nothing grew")
    return 1 if growing else 0


if __name__ == "__main__":
    raise SystemExit(main())
