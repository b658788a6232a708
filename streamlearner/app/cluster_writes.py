"""What is sent to a replica of a cluster: examples go to the topic, labels to the replica that answered."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from streamlearner.app.labels import make_later
from streamlearner.app.outside import push_records
from streamlearner.config.loading import Config
from streamlearner.connectors.kafka.appender import KafkaAppender, TooLargeForTopic
from streamlearner.connectors.push import PushRecord
from streamlearner.decoding.codec import Example
from streamlearner.decoding.rows import Rows
from streamlearner.errors import SourceError, StateInUse
from streamlearner.registry.sources import KafkaSection
from streamlearner.serving import Conflict, LabelsLater, Receipt, TooLarge, Unavailable
from streamlearner.state.lock import StateLock
from streamlearner.stream import Factors, Label, Message

log = logging.getLogger(__name__)

NO_TOPIC = (
    "another replica gave this answer, and labels find the way to it by a topic alone: set "
    "source.kafka.labels_topic for all of them"
)
FOR_EVER_S = 1e9
MOST_REPLICAS = 1_000
"""Of one machine: folders that are looked at for a free one."""


class TopicWrites:
    """Examples for the topic, which an answer to whoever posted them waits for."""

    def __init__(self, appender: KafkaAppender) -> None:
        self._appender = appender

    def ingest(self, examples: Sequence[Example] | Rows) -> Receipt:
        """In the default wire format; those with an id in the partition that belongs to it, so that one sent
        again is a duplicate there. Raises TooLarge, Unavailable."""
        ends = append(self._appender, [_message(record) for record in push_records(examples)])
        places = {str(number): {"offset": end} for number, end in sorted(ends.items())}
        position = {"topic": self._appender.topic, "partitions": places}
        return Receipt(accepted=len(examples), duplicates=0, position=position)


class LabelsForOthers:
    """Labels of predictions that another replica keeps go to the topic of labels, which all replicas read;
    None where there is none."""

    def __init__(self, appender: KafkaAppender | None, *, is_known: Callable[[str], bool]) -> None:
        self._appender, self._is_known = appender, is_known

    def send_on(self, name: str, label: Label | Factors) -> bool:
        """True once it is durable there; False where no replica has ever given such an id. Raises Conflict
        without a topic, TooLarge, Unavailable."""
        if not self._is_known(name.rpartition("-")[0]):
            return False
        if self._appender is None:
            raise Conflict(NO_TOPIC)
        value = json.dumps({"prediction_id": name, "label": label}).encode()
        message = Message(
            value, self._appender.topic, 0, 0, key=name.encode(), timestamp_ms=int(time.time() * 1000)
        )
        append(self._appender, [message])
        return True


def append(appender: KafkaAppender, messages: Sequence[Message]) -> dict[int, int]:
    """As serving takes failures. Raises TooLarge, Unavailable."""
    try:
        return appender.append(messages)
    except TooLargeForTopic as error:
        raise TooLarge(str(error)) from error
    except SourceError as error:
        raise Unavailable(str(error)) from error


def make_writes(config: Config, *, opened: ExitStack) -> TopicWrites:
    return TopicWrites(_appender(config, config.source.settings_of("kafka").topic, opened))


def make_replica_labels(
    config: Config, writes: TopicWrites, *, is_known: Callable[[str], bool], opened: ExitStack
) -> LabelsLater | None:
    """Where predictions of this replica wait: in a folder of its own, which the next one on this machine
    takes over. None where none are kept."""
    if not config.labels.budget_bits:
        return None
    folder = free_folder(config.state_dir / "replicas", opened=opened)
    kafka: KafkaSection = config.source.settings_of("kafka")
    patient = kafka.model_copy(update={"start_timeout_s": FOR_EVER_S})  # it answers without a broker, too
    source = config.source.model_copy(update={"kafka": patient})
    own = config.model_copy(update={"state_dir": folder, "source": source})
    later = make_later(own, writes.ingest, opened=opened)
    topic = None if kafka.labels_topic is None else _appender(config, kafka.labels_topic, opened)
    return replace(later, others=LabelsForOthers(topic, is_known=is_known).send_on)


def free_folder(folder: Path, *, opened: ExitStack) -> Path:
    """The first numbered one that no living process holds, held by this one from now on."""
    for number in range(MOST_REPLICAS):
        try:
            opened.enter_context(StateLock(folder / str(number)))
        except StateInUse:
            continue
        return folder / str(number)
    raise StateInUse(f"{MOST_REPLICAS} replicas hold the folders in {folder}")


def _appender(config: Config, topic: str, opened: ExitStack) -> KafkaAppender:
    kafka: KafkaSection = config.source.settings_of("kafka")
    made = KafkaAppender(
        bootstrap_servers=kafka.bootstrap_servers, topic=topic, client=kafka.client_options()
    )
    return opened.enter_context(closing(made))


def _message(record: PushRecord) -> Message:
    key, headers = None if record.id is None else record.id.encode(), record.headers
    if key is not None and not any(name == "id" for name, _ in headers):
        headers = (*headers, ("id", key))
    return Message(record.value, "", 0, 0, key=key, headers=headers, timestamp_ms=record.timestamp_ms)
