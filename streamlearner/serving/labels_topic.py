"""Labels from a topic: read in a thread of their own, each joined to its prediction."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

from streamlearner.decoding.labels import parse_label
from streamlearner.errors import InvalidInput, StreamlearnerError
from streamlearner.serving.bodies import LabelBody, parse
from streamlearner.serving.labels import Joining, LabelsLater
from streamlearner.state.durable_files import replace_file
from streamlearner.stream import Message, Position, Source

log = logging.getLogger(__name__)

POLL_S = 0.2
RETRY_S = 1.0
MOST = 500
"""Labels between two notes of the position: after a kill so many are read again, and found to be joined."""


class LabelsTopic:
    """Reads `source` from the position noted in `place` on. Where the broker is away, or the log of labelled
    predictions is full, it waits; what is no label is counted, logged and passed over."""

    def __init__(self, source: Source, *, joining: Joining, place: Path) -> None:
        self._source = source
        self._joining = joining
        self._place = place
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="labels-topic", daemon=True)

    def start(self) -> None:
        """Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, which notes how far it came. Safe to call twice, or unstarted."""
        self._stopping.set()
        self._source.interrupt()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def _run(self) -> None:
        try:
            self._source.open(self._noted())
            while not self._stopping.is_set():
                if messages := self._source.poll(MOST, POLL_S):
                    self._join(messages)
        except Exception as error:
            if not self._stopping.is_set():
                log.error("labels are no longer read from their topic: %s", error)

    def _join(self, messages: list[Message]) -> None:
        for message in messages:
            while not self._joined(message):
                if self._stopping.wait(RETRY_S):
                    return
        replace_file(self._place, json.dumps(self._source.position).encode())

    def _joined(self, message: Message) -> bool:
        """False where it has to be tried again."""
        try:
            found = parse(LabelBody, message.value or b"")
            label = parse_label(found.label)
        except InvalidInput as error:
            self._joining.refuse()
            log.warning("%s: no label: %s", message.where(), error)
            return True
        try:
            self._joining.join_from_topic(found.prediction_id, label)
        except StreamlearnerError as error:
            log.warning("%s: %s; trying again", message.where(), error)
            return False
        return True

    def _noted(self) -> Position | None:
        if not self._place.exists():
            return None
        found: Position = json.loads(self._place.read_bytes())
        return found


def labels_topic(later: LabelsLater | None, joining: Joining | None) -> LabelsTopic | None:
    """Not started; None where there is no topic of labels."""
    if later is None or joining is None or later.topic is None:
        return None
    return LabelsTopic(later.topic, joining=joining, place=later.place)
