"""What a cluster's processes are made of: a partition's daemon, and a replica (`consolidating`: the rest)."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

from streamlearner.app.assembly import assemble
from streamlearner.app.outside import make_dead_letters, make_source
from streamlearner.app.parts import make_eye
from streamlearner.config.loading import Config
from streamlearner.daemon.loop import Daemon
from streamlearner.decoding.codec import Schema
from streamlearner.errors import ConfigError
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import draw_apart
from streamlearner.learning.predictor import Predictor
from streamlearner.state.lock import StateLock

POLL_S = 0.01
"""A learner reads several partitions in turns: none of them may hold up the others."""
WHY_NOT = "this is a replica of a cluster, and only answers: examples and labels go to the topic"


class Unserved:
    """In place of serving: a learner answers nobody, replicas do."""

    scheme, address, version, diverged, predictions = "none", ("", 0), "0", False, None

    def start(self) -> None:
        """There is no port."""

    def stop(self) -> None:
        """There is no port."""

    def refresh(self, predictor: Predictor | None) -> bool:
        return False


def lineage_config(config: Config, *, partition: int, folder: Path) -> Config:
    """The settings of one partition's daemon. Raises ConfigError where the source has no partitions."""
    if config.source.type != "kafka":
        raise ConfigError(
            f"source.type is {config.source.type}: a cluster shares the partitions of a kafka topic"
        )
    kafka = config.source.settings_of("kafka").model_copy(
        update={"partitions": [partition], "group_id": None}
    )
    source = config.source.model_copy(update={"kafka": kafka})
    return config.model_copy(update={"state_dir": folder, "source": source})


def make_lineage(config: Config, *, partition: int, folder: Path) -> Daemon:
    """The daemon of one partition, which serves nobody. Its memory draws by a seed of its own."""
    own = lineage_config(config, partition=partition, folder=folder)
    with ExitStack() as opened:
        opened.enter_context(StateLock(folder))
        source = opened.enter_context(closing(make_source(own, log=None)))
        dead_letters = opened.enter_context(closing(make_dead_letters(own)))
        daemon = assemble(
            own,
            source=source,
            dead_letters=dead_letters,
            eye=make_eye(own),
            serve=lambda *_, **__: Unserved(),  # type: ignore[arg-type]
            resources=opened,
        )
    daemon.poll_timeout_s = POLL_S
    make_learner = daemon.state.learner_factory

    def apart(schema: Schema) -> Learner:
        learner = make_learner(schema)
        draw_apart(learner, number=partition)
        learner.is_shard = True
        return learner

    daemon.state.learner_factory = apart
    return daemon
