"""A headless Chromium, driven through chromedriver by the WebDriver protocol: no library is needed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon_process import free_port

WAIT_S = 60.0
KEYS = {"Space": " ", "Backspace": "\ue003", "Tab": "\ue004", "Enter": "\ue007"}
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""Under which the standard names one."""


class Browser:
    """One window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, address: str) -> None:
        """And wait until its scripts have run: on a busy machine the driver may speak of the page before."""
        self._ask("/url", {"url": address})
        arrived = "return document.readyState === 'complete' && location.protocol === 'http:'"
        self.until(lambda: self.run(arrived), what=f"{address} is loaded")

    def reload(self) -> None:
        self._ask("/refresh", {})

    def press(self, *keys: str) -> None:
        """Each key goes down and up again, wherever the focus is."""
        actions = []
        for key in keys:
            value = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        self._ask("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def run(self, script: str) -> Any:
        """What the body of a function returns."""
        return self._ask("/execute/sync", {"script": script, "args": []})

    def count(self, selector: str) -> int:
        return int(self.run(f"return document.querySelectorAll({json.dumps(selector)}).length"))

    def sees(self, selector: str) -> bool:
        """Whether a person does."""
        return bool(self.run(f"return document.querySelector({json.dumps(selector)})?.checkVisibility()"))

    def click(self, selector: str) -> None:
        """As a person does: what cannot be seen cannot be clicked."""
        self._ask(f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str, *keys: str) -> None:
        """Into a field; the path of a file into one for files. Then these keys."""
        written = text + "".join(KEYS[key] for key in keys)
        self._ask(f"/element/{self._find(selector)}/value", {"text": written})

    def text(self, selector: str) -> str:
        """Of the first element, as it is shown; "" where there is none."""
        return str(self.run(f"return document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def until(self, holds: Callable[[], Any], *, what: str = "") -> Any:
        """The first true value of `holds`. Fails after a while."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            if found := holds():
                return found
            time.sleep(0.05)
        raise AssertionError(f"not within {WAIT_S:g} s: {what or holds}")

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """The page itself, whatever frame a window would have, and the colour scheme that it is told."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [feature]})

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._ask("/screenshot")))

    def photograph(self, path: Path, *, width: int, dark: bool = False) -> None:
        """The whole page, however long it is."""
        self.resize(width, self.run("return document.documentElement.scrollHeight"), dark=dark)
        time.sleep(1)  # charts are drawn anew
        self.screenshot(path)

    def complaints(self) -> list[str]:
        """What the console was told since the last call: scripts that failed, what the policy blocked."""
        entries = self._ask("/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def _find(self, selector: str) -> str:
        found = self._ask("/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _devtools(self, command: str, parameters: dict[str, Any]) -> None:
        self._ask("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _ask(self, path: str, body: Any = None) -> Any:
        return _ask(self._session + path, body)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips the test where Chromium or its driver is missing."""
    if shutil.which("chromedriver") is None or shutil.which("chromium") is None:
        pytest.skip("chromium and chromedriver are missing (Debian: chromium-driver)")
    port = free_port()
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _until_ready(port)
        arguments = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--disable-dev-shm-usage"]
        wanted = {
            "goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"},
            "unhandledPromptBehavior": "accept",
        }  # fmt: skip
        made = _ask(f"http://127.0.0.1:{port}/session", {"capabilities": {"alwaysMatch": wanted}})
        session = f"http://127.0.0.1:{port}/session/{made['sessionId']}"
        yield Browser(session)
        _ask(session, method="DELETE")
    finally:
        driver.terminate()
        driver.wait(timeout=30)


def _until_ready(port: int) -> None:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            if _ask(f"http://127.0.0.1:{port}/status")["ready"]:
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("chromedriver does not answer")


def _ask(address: str, body: Any = None, *, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as refused:
        raise AssertionError(f"{address}: {refused.read().decode()[:500]}") from None
