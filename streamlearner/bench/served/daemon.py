"""A daemon in a process of its own, which learns while it is told to: `processes.running` starts it.

`python -m streamlearner.bench.served.daemon [GATEWAY]` prints its port, then answers each line that it reads:
`learn`, `rest`, or `count`, with the examples that were learned since it began. GATEWAY is `true` or `false`.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from streamlearner.bench.assembly import build_fixture
from streamlearner.bench.served.pictures import labelled
from streamlearner.connectors.memory import MemorySource
from streamlearner.stream import Message

SETTINGS = {"sleep.every_examples": None, "serving.refresh_every_examples": 200}
FIRST = 200
"""Examples that are learned before anything is measured."""


class EndlessSource(MemorySource):
    """The same messages again and again, while `flows`."""

    def __init__(self, messages: list[Message]) -> None:
        super().__init__([], finite=False)
        self.flows = threading.Event()
        self.handed_out = 0
        self._again = messages

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        if self.handed_out >= FIRST and not self.flows.wait(timeout_s):
            return []
        count = min(max_messages, 10)
        numbers = range(self.handed_out, self.handed_out + count)
        self.handed_out += count
        return [replace(self._again[number % len(self._again)], offset=number) for number in numbers]

    @property
    def position(self) -> dict[str, int]:
        return {"index": self.handed_out}


def main() -> None:
    fixture = build_fixture(data=Path())
    source = EndlessSource(fixture.messages(labelled()))
    gateway = sys.argv[1:] != ["false"]
    with fixture.daemon({**SETTINGS, "daemon.at_end": "serve", "serving.gateway": gateway}, []) as daemon:
        daemon.state.intake.source = source
        gc.freeze()  # as `streamlearner run` does: a full collection would hold up everything for 0.1 s
        threading.Thread(target=_obey, args=(daemon, source), daemon=True).start()
        daemon.run()


def _obey(daemon: object, source: EndlessSource) -> None:
    while source.handed_out < FIRST or daemon.serving.current is None:  # type: ignore[attr-defined]
        time.sleep(0.02)
    print(daemon.serving.address[1], flush=True)  # type: ignore[attr-defined]
    for line in sys.stdin:
        match line.strip():
            case "learn":
                source.flows.set()
            case "rest":
                source.flows.clear()
        print(source.handed_out, flush=True)
    daemon.stop()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
