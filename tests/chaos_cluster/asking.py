"""Predictions through the proxy, all the time, by a thread."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request

EACH_S, TIMEOUT_S = 0.5, 60.0


class Asking:
    """Asks from the first answer on, until it is stopped."""

    def __init__(self, port: int) -> None:
        body = json.dumps({"inputs": [[[0] * 8] * 8]}).encode()
        self._request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/predict", body, {"content-type": "application/json"}
        )
        self.answered = 0
        self.failed: list[tuple[float, float, str]] = []
        """When one that was not answered was sent, when it failed, and why."""
        self.began, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(EACH_S):
            sent_s = time.monotonic()
            try:
                with urllib.request.urlopen(self._request, timeout=TIMEOUT_S) as answer:
                    json.loads(answer.read())["predictions"]
                self.answered += 1
                self.began.set()
            except (urllib.error.URLError, OSError, KeyError, ValueError) as error:
                if self.began.is_set():
                    self.failed.append((sent_s, time.monotonic(), str(error)))

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(TIMEOUT_S + EACH_S)

    def unexplained(self, kills_s: list[tuple[float, float]]) -> list[tuple[float, float, str]]:
        """Those that failed though no process that answers was being killed while they were under way."""
        return [
            it for it in self.failed if not any(it[0] <= gone and began <= it[1] for began, gone in kills_s)
        ]
