"""What the demo plays on: the cluster's process, the topic, who sends digits and who asks for predictions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import yaml
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from streamlearner.client import Client, Refused
from streamlearner.cluster.layout import LEARNERS
from streamlearner.cluster.status import status_document
from streamlearner.cluster.store import Store
from streamlearner.commands.demo_run import SETTINGS, Digits
from streamlearner.decoding.inputs import wire_input
from streamlearner.errors import ConfigError, StreamlearnerError
from streamlearner.stream import Message
from tests.support.daemon_process import free_port

PARTITIONS, END_S = 4, 180.0
ASK_EVERY_S = 0.25
TAKEN = ("memory.", "method.", "exam.")
"""Of the settings of `make demo`: a cluster sleeps by itself."""


class Stage:
    """The command `streamlearner cluster run` with its configuration, topic and store in a folder."""

    consolidate_every = 60

    def __init__(self, folder: Path, *, broker: str) -> None:
        self.folder, self.broker, self.port = folder, broker, free_port()
        self.topic, self.store = f"digits-{uuid.uuid4().hex[:8]}", Store(folder / "store")
        self.address, self._log = f"http://127.0.0.1:{self.port}", folder / "log"
        (folder / "cluster.yaml").write_text(yaml.safe_dump(self._settings()))
        made = KafkaAdminClient(bootstrap_servers=broker)
        made.create_topics([NewTopic(self.topic, PARTITIONS, 1)])
        made.close()
        command = [sys.executable, "-m", "streamlearner", "cluster", "run"]
        with self._log.open("w") as words:
            self._process = subprocess.Popen(
                [*command, "--config", str(folder / "cluster.yaml")], stdout=words, stderr=words
            )

    def _settings(self) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        for name, value in SETTINGS.items():
            section, key = name.split(".")
            if name.startswith(TAKEN):
                chosen.setdefault(section, {})[key] = value
        kafka = {"bootstrap_servers": self.broker, "topic": self.topic}
        cluster = {"store": str(self.store.folder), "learners": 2, "replicas": 2, "takeover_s": 5}
        return chosen | {
            "source": {"type": "kafka", "kafka": kafka},
            "checkpoint": {"every_examples": 50, "every_s": 5},
            "threads": 1,
            "serving": {"port": self.port},
            "cluster": cluster | {"consolidate_every_examples": self.consolidate_every},
        }

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    @property
    def answers(self) -> bool:
        """Whether the replicas' port is open. Raises ConfigError where the command has ended."""
        if self._process.poll() is not None:
            raise ConfigError(f"the cluster ended:\n{self._log.read_text()[-2_000:]}")
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/livez", timeout=5).status_code == 200
        return False

    def status(self) -> dict[str, Any]:
        return status_document(self.store)

    def kill(self, learner: str) -> None:
        told = self.store.read(f"{LEARNERS}/{learner}.json")
        assert told is not None
        os.kill(told["pid"], signal.SIGKILL)

    def until(self, what: Callable[[], bool], *, limit_s: float) -> None:
        end_s = time.monotonic() + limit_s
        while not what():
            if time.monotonic() > end_s:
                raise TimeoutError(f"not within {limit_s:g} s:\n{self._log.read_text()[-2_000:]}")
            time.sleep(1.0)


class Producer:
    """Sends the digits in their order, in turns to the partitions, on a thread of its own."""

    def __init__(self, stage: Stage, messages: Sequence[Message], *, rate: float) -> None:
        self.total, self.sent, self.killed_s = len(messages), 0, None  # type: int, int, float | None
        self._stage, self._messages, self._rate = stage, messages, rate
        threading.Thread(target=self._send, name="producer", daemon=True).start()

    def _send(self) -> None:
        to, began_s = KafkaProducer(bootstrap_servers=self._stage.broker, linger_ms=20), time.monotonic()
        for number, message in enumerate(self._messages):
            time.sleep(max(0.0, began_s + number / self._rate - time.monotonic()))
            to.send(
                self._stage.topic,
                message.value,
                headers=list(message.headers),
                partition=number % PARTITIONS,
            )
            self.sent = number + 1
        to.close()


class Asker:
    """Asks for a prediction a few times a second, once the first version answers: how many failed."""

    def __init__(self, client: Client, stream: Digits) -> None:
        self.asked = self.failed = 0
        self._client, self._stream, self._ends = client, stream, threading.Event()
        self._thread = threading.Thread(target=self._ask, name="asker", daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        number = 0
        while not self._ends.wait(ASK_EVERY_S):
            number = (number + 1) % len(self._stream.test_images)
            try:
                self._client.predict([wire_input(self._stream.test_images[number][None])])
                self.asked += 1
            except StreamlearnerError as error:
                unready = isinstance(error, Refused) and error.status == 503 and not self.asked
                self.asked, self.failed = self.asked + (not unready), self.failed + (not unready)

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()
