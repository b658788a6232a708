"""Draws the pictures of docs/ anew: the dashboard during a demo, in a real browser, and retention per bit.

python -m tests.support.pictures. Needs `chromium` and `chromedriver` (Debian: chromium-driver), and a minute.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.results import Record
from streamlearner.bench.kit.summary import summarise
from streamlearner.bench.plots.retention import draw
from tests.support.daemon_process import free_port

ROOT = Path(__file__).resolve().parents[2]
PICTURES, RESULTS = ROOT / "docs" / "pictures", ROOT / "streamlearner" / "bench" / "results"
WIDTH = 1280
DEADLINE_S = 300.0
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
    with demo() as address, browser() as session:
        dashboard(session, address, PICTURES / "dashboard.png")


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


@contextmanager
def browser() -> Iterator[str]:
    """A WebDriver session of a headless Chromium; the address of the session."""
    port = free_port()
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        until(lambda: ask(f"http://127.0.0.1:{port}/status")["ready"])
        arguments = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=1"]
        wanted = {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}
        made = ask(f"http://127.0.0.1:{port}/session", {"capabilities": wanted})
        session = f"http://127.0.0.1:{port}/session/{made['sessionId']}"
        yield session
        ask(session, method="DELETE")
    finally:
        driver.terminate()
        driver.wait(timeout=30)


def dashboard(session: str, address: str, path: Path) -> None:
    """The page, opened as the demo begins and photographed when all was learned and slept on."""
    until(lambda: ask(f"{address}/livez")["live"])
    ask(f"{session}/window/rect", {"width": WIDTH, "height": 900})
    ask(f"{session}/url", {"url": address})
    until(lambda: at_rest(ask(f"{address}/v1/status")))
    time.sleep(15)  # the page fetches the sheet of recollections every twelve seconds
    frame = "window.outerHeight - window.innerHeight"
    script = {"script": f"return document.body.scrollHeight + {frame}", "args": []}
    ask(f"{session}/window/rect", {"width": WIDTH, "height": ask(f"{session}/execute/sync", script)})
    path.write_bytes(base64.b64decode(ask(f"{session}/screenshot")))


def at_rest(status: Any) -> bool:
    """Nothing waits, and the sleep after the end is over."""
    left = sum(status["lag"].values())
    return status["examples"]["learned"] > 1000 and not left and not status["asleep"]


def until(holds: Any) -> None:
    """Raises TimeoutError where it does not come true."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"not within {DEADLINE_S:g} s")


def ask(address: str, body: Any = None, *, method: str | None = None) -> Any:
    """A JSON answer; what WebDriver wraps it in is taken off."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data=data, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        found = json.load(answer)
    return found.get("value", found)


if __name__ == "__main__":
    main()
