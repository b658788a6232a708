"""The dashboard in a real Chromium, of a real daemon that learns meanwhile."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.support.browser import Browser, chromium
from tests.support.daemon_process import DaemonProcess

pytestmark = pytest.mark.slow

QUICK = {
    "sleep": {"every_examples": 150, "min_examples": 50, "steps": 60, "tolerance": 1.0},
    "exam": {"fraction": 0.3},
    "evaluation": {"every_examples": 50},
    "history": {"every_s": 0.3},
}
TOKEN = "an-operator-s-token"
Push = Callable[[list[dict[str, Any]]], None]


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    (tmp_path / "operate").write_text(TOKEN)
    serving = {
        "token_files": {"operate": [str(tmp_path / "operate")]},
        "open_roles": ["read", "predict", "teach"],
    }
    process = DaemonProcess(tmp_path, QUICK | {"serving": serving}).start()
    process.wait_until(lambda status: True)
    yield process
    process.close()


@pytest.fixture
def digits(daemon: DaemonProcess) -> Iterator[Callable[[], None]]:
    """Pushes digits, class after class, from another thread, until the test ends."""
    ending = threading.Event()
    bundle = load_digits()
    order = np.argsort(bundle.target, kind="stable")
    images = (bundle.images * (255 / 16)).round().astype(int)

    def push() -> None:
        for start in range(0, len(order), 20):
            chosen = order[start : start + 20]
            examples = [{"input": images[i].tolist(), "label": int(bundle.target[i])} for i in chosen]
            daemon.ask("/v1/examples", {"examples": examples})
            if ending.wait(0.15):
                return

    thread = threading.Thread(target=push, daemon=True)
    yield thread.start
    ending.set()
    if thread.ident is not None:
        thread.join(30)


def address(daemon: DaemonProcess) -> str:
    return f"http://127.0.0.1:{daemon.port}/"


def answers(daemon: DaemonProcess) -> bool:
    """Whether its port is open, whatever it says."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", daemon.port)) == 0


def complaints(window: Browser) -> list[str]:
    """But that something was answered 403 or 503, which is meant, or not at all."""
    return [one for one in window.complaints() if "Failed to load resource" not in one]


def happened(window: Browser) -> str:
    return str(window.run("return document.getElementById('marks').textContent"))


def rows_of_the_first_chart(window: Browser) -> int:
    """In the table of its values, which has up to twenty, and a head."""
    window.run("document.querySelector('.chart details')?.setAttribute('open', '')")
    return window.count(".chart:first-child tr")


def test_retention_changes_while_a_stream_runs_is_remembered_and_a_version_is_rolled_back(
    window: Browser, daemon: DaemonProcess, digits: Callable[[], None]
) -> None:
    window.resize(1280, 900)
    window.open(address(daemon))
    window.until(lambda: window.text("#retention") == "–", what="the tiles, with nothing in them")
    digits()
    first = window.until(lambda: (shown := window.text("#retention")) != "–" and shown)
    window.until(lambda: window.text("#retention") not in (first, "–"))
    used: set[str] = set()  # in sleeps, too, which hold more for themselves
    window.until(lambda: used.add(window.text("#used")) or window.count("#versions tr") > 3)
    assert all(0 < float(text.removesuffix(" %")) <= 100 for text in used - {"–"})
    assert used - {"–"}

    window.open(address(daemon))  # a new page, which has seen nothing
    window.until(lambda: rows_of_the_first_chart(window) > 5)
    assert "Sleep adopted" in happened(window)
    assert "The daemon started" in happened(window)

    window.click("#versions button[aria-label='Roll back to version 1']")
    window.click("#asking-yes")
    window.until(lambda: window.text("#h-asking") == "Token with the role operate")
    window.type("#asking-token", "a-guess", "Enter")
    window.until(lambda: "wrong token" in window.text("#asking-text"))
    window.type("#asking-token", TOKEN, "Enter")
    window.until(lambda: "Asked to roll back to version 1" in window.text("#operated"))
    daemon.wait_until(lambda status: status["model_version"].split(".")[-1] == "1")
    window.until(lambda: "Rolled back to version 1" in happened(window))

    daemon.kill()
    window.until(lambda: window.text("#state") == "the daemon does not answer")
    daemon.start()
    daemon.wait_until(lambda status: True)
    window.open(address(daemon))
    window.until(lambda: happened(window).count("The daemon started") == 2)
    assert "Rolled back to version 1" in happened(window)
    assert complaints(window) == []


def test_what_is_behind_the_figures_is_reached_by_keyboard(
    window: Browser, daemon: DaemonProcess, digits: Callable[[], None], tmp_path: Path
) -> None:
    digits()
    daemon.wait_until(lambda status: status["sleeps"]["adopted"] > 0)
    daemon.ask("/v1/predict", {"inputs": [np.zeros((8, 8), int).tolist()]})
    window.resize(1280, 900)
    window.open(address(daemon))
    window.until(lambda: window.count("#classes button") > 1)
    window.run("document.getElementById('order').focus()")
    window.press("Tab", "Tab", "Enter")  # the list that scrolls, then its first class
    window.until(lambda: window.count("#classes .example canvas"))
    assert "✓" in window.text("#classes") or "✕" in window.text("#classes")
    assert window.count("#confusion td") >= 4
    assert window.count("#gallery canvas") > 6
    picture = Image.fromarray(np.kron(load_digits().images[0] * 15, np.ones((20, 20))).astype("uint8"))
    picture.convert("RGB").save(tmp_path / "zero.png")
    window.type("#file", str(tmp_path / "zero.png"))
    window.until(lambda: "Seen as on the left (8 × 8)" in window.text("#tried"))
    assert window.count("#answers li") > 1


def test_a_picture_is_tried_also_where_no_picture_is_remembered(window: Browser, tmp_path: Path) -> None:
    settings = QUICK | {"method": {"name": "streaming_statistics"}}
    process = DaemonProcess(tmp_path, settings).start()
    try:
        process.wait_until(lambda status: True)
        bundle = load_digits()
        examples = [
            {"input": image.round().astype(int).tolist(), "label": int(label)}
            for image, label in zip(bundle.images[:60], bundle.target[:60], strict=True)
        ]
        process.ask("/v1/examples", {"examples": examples})
        process.wait_until(lambda status: status["input"] == {"shape": [8, 8], "dtype": "uint8"})
        Image.fromarray(bundle.images[0].astype("uint8")).save(tmp_path / "zero.png")
        window.open(address(process))
        window.until(lambda: window.text("#state") == "ready")
        window.type("#file", str(tmp_path / "zero.png"))
        window.until(lambda: "Seen as on the left (8 × 8)" in window.text("#tried"))
    finally:
        process.close()


def test_a_stream_of_feature_vectors_shows_means_and_spreads_and_no_error(
    window: Browser, daemon: DaemonProcess
) -> None:
    rng = np.random.default_rng(0)
    for start in range(0, 300, 60):
        rows = [(label, rng.normal(label, 0.3, 6)) for label in (0, 1, 2) for _ in range(20)]
        examples = [{"input": vector.tolist(), "label": f"kind {label}"} for label, vector in rows]
        daemon.ask("/v1/examples", {"examples": examples})
        daemon.wait_until_taken(start + 60)
    window.open(address(daemon))
    window.until(lambda: window.count("#gallery canvas.profile") == 3)
    assert not window.sees("#gallery-empty")
    assert "means and spreads of the 6 features" in window.text("#gallery-note")
    window.type("#vector", "1, 1, 1, 1, 1, 1", "Enter")
    window.until(lambda: window.text("#tried").startswith("Answer: kind"))
    window.type("#vector", ", 1", "Enter")
    window.until(lambda: "expected [6]" in window.text("#tried"))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_the_page_fits_windows_of_every_width(
    window: Browser, daemon: DaemonProcess, width: int, dark: bool
) -> None:
    window.resize(width, 900, dark=dark)
    window.open(address(daemon))
    window.until(lambda: window.text("#as-of"))
    assert window.run("return document.documentElement.scrollWidth") <= width
    tops = window.run(
        "return [...document.querySelectorAll('.tile')].map(t => t.getBoundingClientRect().top)"
    )
    assert tops.count(tops[0]) == {390: 2, 768: 5, 1280: 5, 1920: 10}[width]
    assert complaints(window) == []


def test_a_page_that_may_not_read_asks_for_a_token(window: Browser, tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, QUICK | {"serving": {"token": TOKEN}}).start()
    try:
        window.resize(390, 900)
        window.until(lambda: answers(daemon))
        window.open(address(daemon))
        window.until(lambda: window.sees("#login"))
        window.type("#token", "a-guess", "Enter")
        window.until(lambda: "wrong token" in window.text("#login-note"))
        window.type("#token", TOKEN, "Enter")
        window.until(lambda: not window.sees("#login"))
        window.until(lambda: window.text("#as-of"))
        window.run("sessionStorage.clear()")
    finally:
        daemon.close()
