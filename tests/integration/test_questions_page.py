"""The page where a person labels, in a real Chromium, over a daemon that learns what was labelled."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner.decoding.inputs import wire_input
from tests.support.browser import Browser, chromium
from tests.support.daemon_process import DaemonProcess

SETTINGS: dict[str, Any] = {
    "daemon": {"batch_size": 10, "linger_s": 0.05, "poll_timeout_s": 0.02},
    "source": {"type": "push"},
    "memory": {"budget_bits": 64_000},
    "exam": {"budget_bits": 8_000, "fraction": 0.1},
    "sleep": {"every_examples": 1_000_000, "first_examples": None},
    "checkpoint": {"every_examples": 200, "keep": 2},
}
LEARNED = 40


def image(number: int) -> Any:
    """Of class `number` % 4: a bright pair of rows, and much noise."""
    found = np.random.default_rng(number).integers(0, 160, (1, 6, 6), dtype=np.uint8)
    found[0, number % 4 : number % 4 + 2] += np.uint8(90)
    return wire_input(found)


def vector(number: int) -> list[float]:
    found = np.random.default_rng(number).normal(size=12)
    found[number % 4] += 2.0
    return [float(value) for value in found]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def running(folder: Path, make: Any, settings: dict[str, Any] | None = None) -> DaemonProcess:
    """That has 40 examples of four classes to learn."""
    daemon = DaemonProcess(folder, SETTINGS | (settings or {})).start()
    daemon.wait_until(lambda status: True)
    examples = [{"input": make(number), "label": number % 4} for number in range(LEARNED)]
    daemon.ask("/v1/examples", {"examples": examples})
    daemon.wait_until(lambda status: status["ready"] and status["model_version"] != "0")
    return daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    daemon = running(tmp_path, image)
    yield daemon
    daemon.close()


def predict(daemon: DaemonProcess, make: Any, *, first: int, count: int) -> None:
    daemon.ask("/v1/predict", {"inputs": [make(number) for number in range(first, first + count)]})


def opened(browser: Browser, daemon: DaemonProcess) -> None:
    browser.open(f"http://127.0.0.1:{daemon.port}/questions")
    browser.until(lambda: browser.text("#h-question"), what="a question is shown")


def labels(browser: Browser) -> list[str]:
    found = browser.run("return [...document.querySelectorAll('#strip span')].map((one) => one.textContent)")
    return list(found)


def learned(daemon: DaemonProcess, count: int) -> Any:
    return daemon.wait_until(lambda status: status["messages"] >= count and not any(status["lag"].values()))


@pytest.mark.slow
def test_ten_questions_are_labelled_by_key_and_learned_once_each(
    browser: Browser, daemon: DaemonProcess
) -> None:
    predict(daemon, image, first=1000, count=40)
    opened(browser, daemon)
    assert len(labels(browser)) == 10
    browser.press(*"0123012301")
    assert labels(browser) == list("0123012301")
    assert daemon.ask("/v1/status")["answered"]["labelled"] == 0, "nothing is sent before it is asked for"
    browser.press("Enter")
    browser.until(lambda: "10 labels were taken" in browser.text("#note"))
    status = learned(daemon, LEARNED + 10)
    assert status["messages"] == LEARNED + 10
    assert status["answered"]["labels"]["accepted"] == status["answered"]["labelled"] == 10
    assert sum(status["answered"]["labels"].values()) == 10
    assert status["answered"]["waiting"] == 30
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/metrics") as answer:
        metrics = answer.read().decode()
    assert 'streamlearner_questions_total{outcome="answered"} 10.0' in metrics
    browser.until(lambda: labels(browser) == ["–"] * 10)  # the next ten
    assert browser.complaints() == []


@pytest.mark.slow
def test_a_mistake_is_undone_a_question_skipped_and_a_class_is_new(
    browser: Browser, daemon: DaemonProcess
) -> None:
    predict(daemon, image, first=1000, count=10)
    opened(browser, daemon)
    browser.press("0", "1", "Backspace")
    assert labels(browser)[:3] == ["0", "–", "–"]
    browser.press("2", "Space")
    assert labels(browser)[:4] == ["0", "2", "skipped", "–"]
    browser.press("+")
    browser.press(*"a new one", "Enter")
    assert labels(browser)[:5] == ["0", "2", "skipped", "a new one", "–"]
    browser.press("Enter")
    browser.until(lambda: "3 labels were taken" in browser.text("#note"))
    assert learned(daemon, LEARNED + 3)["answered"]["labelled"] == 3
    assert len(labels(browser)) <= 6, "what was skipped is not asked again"


@pytest.mark.slow
def test_feature_vectors_are_shown_as_bars(browser: Browser, tmp_path: Path) -> None:
    daemon = running(tmp_path, vector)
    try:
        predict(daemon, vector, first=1000, count=5)
        opened(browser, daemon)
        assert browser.run("return document.querySelectorAll('#shown svg rect').length") == 12
        assert "12 values from" in browser.text("#facts")
        browser.press(*"01230", "Enter")
        browser.until(lambda: "5 labels were taken" in browser.text("#note"))
        assert learned(daemon, LEARNED + 5)["answered"]["labelled"] == 5
        browser.until(lambda: "Nothing to ask" in browser.text("#empty"))
        assert browser.complaints() == []
    finally:
        daemon.close()


@pytest.mark.slow
def test_of_more_classes_than_keys_the_most_probable_have_one(browser: Browser, tmp_path: Path) -> None:
    daemon = running(tmp_path, vector)
    try:
        examples = [{"input": vector(number), "label": f"kind {number % 60}"} for number in range(120)]
        daemon.ask("/v1/examples", {"examples": examples})
        learned(daemon, LEARNED + 120)
        browser.until(lambda: len(known(daemon)) > 50, what="the model that answers knows the classes")
        predict(daemon, vector, first=1000, count=5)
        opened(browser, daemon)
        texts = "map((one) => one.textContent)"
        buttons = browser.run(f"return [...document.querySelectorAll('#classes .name')].{texts}")
        asked = daemon.ask("/v1/questions")["questions"][0]
        assert len(buttons) == len(set(buttons)) == 36
        assert set(map(str, asked["answer"]["probabilities"])) <= set(buttons)
        keys = browser.run(f"return [...document.querySelectorAll('#classes kbd')].{texts}")
        assert len(set(keys)) == 36
        browser.press(keys[5])
        assert labels(browser)[0] == buttons[5]
    finally:
        daemon.close()


def known(daemon: DaemonProcess) -> list[Any]:
    predict(daemon, vector, first=2000, count=1)
    return list(daemon.ask("/v1/questions")["classes"])


@pytest.mark.slow
def test_labels_of_several_factors_are_chosen_one_after_the_other(browser: Browser, tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, SETTINGS).start()
    try:
        daemon.wait_until(lambda status: True)
        kinds, angles = ("cup", "mug"), (0, 90)
        examples = [
            {"input": vector(number), "label": {"kind": kinds[number % 2], "angle": angles[number // 2 % 2]}}
            for number in range(LEARNED)
        ]
        daemon.ask("/v1/examples", {"examples": examples})
        daemon.wait_until(lambda status: status["ready"] and status["model_version"] != "0")
        predict(daemon, vector, first=1000, count=2)
        opened(browser, daemon)
        first = browser.text("#factor")
        assert first in ("kind", "angle")
        browser.press(browser.text("#classes kbd"))
        assert browser.text("#factor") in {"kind", "angle"} - {first}
        assert labels(browser)[0] == "–", "half a label is none"
        browser.press("Backspace")
        assert browser.text("#factor") == first
        browser.press(browser.text("#classes kbd"))
        browser.press(browser.text("#classes kbd"), "Enter")
        browser.until(lambda: "1 label was taken" in browser.text("#note"))
        assert learned(daemon, LEARNED + 1)["answered"]["labels"]["accepted"] == 1
    finally:
        daemon.close()


@pytest.mark.slow
def test_a_token_is_asked_for_and_one_with_the_role_teach_will_do(browser: Browser, tmp_path: Path) -> None:
    tokens = {}
    for role in ("read", "teach"):
        (tmp_path / role).write_text(f"{role}-token\n")
        tokens[role] = [str(tmp_path / role)]
    settings = {"serving": {"token_files": tokens, "open_roles": ["predict", "read"]}}
    daemon = DaemonProcess(tmp_path, SETTINGS | settings).start()
    try:
        daemon.wait_until(lambda status: True)
        browser.open(f"http://127.0.0.1:{daemon.port}/questions")
        browser.until(lambda: browser.run("return !document.querySelector('#login').hidden"))
        for token in ("read-token", "teach-token"):
            browser.run("document.querySelector('#token').focus()")
            browser.press(*token, "Enter")
            if token == "read-token":
                browser.until(lambda: "teach" in browser.text("#login-note"))
        browser.until(lambda: browser.run("return document.querySelector('#login').hidden"))
        browser.until(lambda: browser.text("#empty"), what="503 or nothing to ask")
    finally:
        browser.run("sessionStorage.clear()")
        daemon.close()


@pytest.mark.slow
def test_the_page_fits_from_390_to_1920_pixels_in_light_and_dark(
    browser: Browser, daemon: DaemonProcess
) -> None:
    predict(daemon, image, first=1000, count=20)
    browser.complaints()  # of the pages before, which are heard once
    opened(browser, daemon)
    grounds = set()
    for width in (390, 768, 1280, 1920):
        for dark in (False, True):
            browser.resize(width, 900, dark=dark)
            wide = browser.run("return document.documentElement.scrollWidth")
            assert wide <= width, f"{wide} px at {width}"
            grounds.add(browser.run("return getComputedStyle(document.body).backgroundColor"))
            outside = "filter((one) => one.getBoundingClientRect().right > innerWidth).length"
            assert browser.run(f"return [...document.querySelectorAll('button')].{outside}") == 0
    assert len(grounds) == 2
    styled = "getComputedStyle(document.querySelector('#skip')).borderTopLeftRadius"
    assert browser.run(f"return {styled}") != "0px", "the dashboard's styles reach this page"
    assert browser.complaints() == []
    addresses = json.loads(
        browser.run("return JSON.stringify(performance.getEntriesByType('resource').map((one) => one.name))")
    )
    assert addresses and all(
        one.startswith((f"http://127.0.0.1:{daemon.port}/", "data:")) for one in addresses
    )
