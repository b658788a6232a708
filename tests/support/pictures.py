"""Draws the pictures of docs/ anew: both pages during a demo, in a real browser, and retention per bit.

python -m tests.support.pictures. Needs `chromium` and `chromedriver` (Debian: chromium-driver), and a minute.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from sklearn.datasets import load_digits

from streamlearner.bench.kit.results import Record
from streamlearner.bench.kit.summary import summarise
from streamlearner.bench.plots.retention import draw
from tests.support.browser import Browser, chromium
from tests.support.daemon_process import free_port

ROOT = Path(__file__).resolve().parents[2]
PICTURES, RESULTS = ROOT / "docs" / "pictures", ROOT / "streamlearner" / "bench" / "results"
VIEWS = (
    ("dashboard", 1280, False),
    ("dashboard-dark", 1280, True),
    ("dashboard-390", 390, False),
    ("dashboard-1920", 1920, True),
)
"""Name, width of the window in pixels, whether its owner prefers dark."""
DEADLINE_S = 300.0
ASKED = 300
ARMS = {
    "ours": "streamlearner",
    "rehearsal": "raw images",
    "rehearsal_with_extras": "raw images, same extras",
    "finetune": "no memory",
    "unlimited": "all images, raw",
}
"""Of the experiments, those that a first look needs, as it names them."""


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    retention("mnist-split", "Split-MNIST, class-incremental", PICTURES / "retention-mnist.png")
    retention("cifar100-incremental", "CIFAR-100, task-incremental", PICTURES / "retention-cifar100.png")
    with demo() as address, chromium() as window:
        dashboard(window, address)
        questions(window, address)


def retention(experiment: str, title: str, path: Path) -> None:
    """Accuracy against bits, from the committed results."""
    record = Record.read(RESULTS / f"{experiment}.json")
    found = [each for each in summarise(record.rows) if each.arm in ARMS and each.examples is None]
    shown = sorted(found, key=lambda each: list(ARMS).index(each.arm))
    named = [replace(each, arm=ARMS[each.arm]) for each in shown]
    draw(named, title=title, quick=False, path=path)


@contextmanager
def demo() -> Iterator[str]:
    """A demo that has just begun; its address."""
    port = free_port()
    words = [sys.executable, "-m", "streamlearner.commands.main", "demo", "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def dashboard(window: Browser, address: str) -> None:
    """The page once all was learned and slept on: as README shows it, and as each kind of window has it."""
    until(lambda: at_rest(ask(f"{address}/v1/status")))
    for name, width, dark in VIEWS:
        window.resize(width, 900, dark=dark)
        window.open(address)
        until(lambda: window.text("#gallery") and window.text("#marks-note"))
        time.sleep(14)  # what changes seldom is asked for every twelve seconds
        window.photograph(PICTURES / f"{name}.png", width=width, dark=dark)
        make_small(PICTURES / f"{name}.png")


def questions(window: Browser, address: str) -> None:
    """The page where a person labels, some digits after it was opened."""
    images = (load_digits().images[:ASKED] * 15.9375).round().astype("uint8").tolist()
    request = urllib.request.Request(
        f"{address}/v1/predict", json.dumps({"inputs": images}).encode(), {"content-type": "application/json"}
    )
    until(lambda: urllib.request.urlopen(request, timeout=60).status == 200)
    window.resize(1280, 900)
    window.open(f"{address}/questions")
    until(lambda: window.text("#h-question"))
    window.press("3", "8", "Space", "1")
    window.photograph(PICTURES / "questions.png", width=1280)
    make_small(PICTURES / "questions.png")


def make_small(path: Path) -> None:
    """To 256 colours, chosen so that a thin line in a colour of its own keeps it (a third of the bytes; the
    usual choice, by how many pixels have a colour, turned curves grey)."""
    few = Image.open(path).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def at_rest(status: Any) -> bool:
    """Nothing waits, and the sleep after the end is over."""
    left = sum(status.get("lag", {}).values())
    return status.get("examples", {"learned": 0})["learned"] > 1000 and not left and not status["asleep"]


def ask(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return json.load(answer)


def until(holds: Callable[[], Any]) -> None:
    """Raises TimeoutError where it does not come true."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        with suppress(OSError):
            if holds():
                return
        time.sleep(0.2)
    raise TimeoutError(f"not within {DEADLINE_S:g} s")


if __name__ == "__main__":
    main()
