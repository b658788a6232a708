"""What a single daemon learned, by partition, for a cluster that goes on from there."""

from __future__ import annotations

from pathlib import Path

from streamlearner.app.embedded_state import EmbeddedState, read_checkpoint
from streamlearner.config.loading import Config
from streamlearner.errors import ConfigError
from streamlearner.state.lock import StateLock
from streamlearner.stream import Position


def daemon_partitions(config: Config, folder: Path) -> dict[int, EmbeddedState]:
    """By partition, in order, of a daemon's state folder: the first has all that was learned, as a merged
    memory does not depend on which partition holds a sample of what; the others have their place in the
    stream and the ids that were seen. The model answers as version `progress.newest`, from 1 on.

    Raises ConfigError where these settings do not fit, StateInUse while the daemon runs.
    """
    with StateLock(folder):
        state, position = _ended(config, folder)
    found = {}
    for nth, number in enumerate(sorted(map(int, position["partitions"]))):
        own = state if nth == 0 else _beside(config, state)
        own.position = position | {"partitions": {str(number): position["partitions"][str(number)]}}
        found[number] = own
    return found


def _ended(config: Config, folder: Path) -> tuple[EmbeddedState, Position]:
    """What the daemon had learned; a sleep under way is given up, as learners do not sleep."""
    state = EmbeddedState(config)
    state.restore(found := read_checkpoint(folder))
    learner, position = state.learner, state.position
    if learner is None or position is None:
        raise ConfigError(f"nothing was learned yet in {folder}: start the cluster without it")
    topic = config.source.settings_of("kafka").topic
    if position.get("topic") != topic:
        raise ConfigError(
            f"{found.path} was learned from {position.get('topic', 'another source')}, not from the topic "
            f"{topic}: a cluster goes on in the same one"
        )
    if learner.network != learner.configured_network:
        raise ConfigError(
            f"{found.path} has the network {learner.network}: set network.name to it, not to "
            f"{learner.configured_network}"
        )
    learner.abandon_consolidation()
    number = max(1, learner.progress.newest)
    learner.progress.version = learner.progress.newest = number
    return state, position


def _beside(config: Config, state: EmbeddedState) -> EmbeddedState:
    """A partition of which nothing was learned that the first one does not hold."""
    other = EmbeddedState(config)
    other.schema, other.features = state.schema, state.features
    other.ids, other.erased = state.ids, state.erased
    return other
