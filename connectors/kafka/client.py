"""Which kafka-python options a user may set, and what the clients of this package are built with."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from streamlearner.errors import ConfigError

log = logging.getLogger(__name__)

DEFAULTS: Mapping[str, Any] = {
    "client_id": "streamlearner",
    "isolation_level": "read_committed",
    # A restarted broker is heard again after 1.4 s; with the library's own 30 s after 14 to 49 s.
    "reconnect_backoff_max_ms": 1000,
    "fetch_max_wait_ms": 250,
    "max_poll_records": 2000,
    "metadata_max_age_ms": 30_000,
    "bootstrap_timeout_ms": 5_000,
}
PROTOCOL: Mapping[str, Any] = {
    "group_id": None,
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "key_deserializer": None,
    "value_deserializer": None,
}
REFUSED: Mapping[str, str] = {
    "bootstrap_servers": "it is set beside `client`, as bootstrap_servers",
    "group_id": "positions live in the checkpoint; set the source's group_id to show the lag to other tools",
    "group_instance_id": "the source reads every partition itself and is in no consumer group",
    "enable_auto_commit": "a committed offset that no checkpoint covers would lose messages",
    "auto_offset_reset": "a silent reset would lose or repeat messages; set start and on_gap instead",
    "key_deserializer": "keys and values come as bytes: the codec decodes, and rejects what it cannot",
    "value_deserializer": "keys and values come as bytes: the codec decodes, and rejects what it cannot",
    "kafka_client": "the source depends on the library's own client",
}
NUMBERS = (int, float)


def consumer_options(bootstrap_servers: str, client: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the source's `KafkaConsumer` is built with. Raises `ConfigError`, naming the option."""
    known = {str(name): default for name, default in KafkaConsumer.DEFAULT_CONFIG.items()}
    given = {name: option(name, value, known) for name, value in client.items()}
    return {**DEFAULTS, **given, **PROTOCOL, "bootstrap_servers": servers(bootstrap_servers)}


def option(name: str, value: Any, known: Mapping[str, Any]) -> Any:
    """The value of one option; text becomes what the library expects (an environment holds only text)."""
    if name in REFUSED:
        raise ConfigError(f"kafka client option {name!r} cannot be set: {REFUSED[name]}")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"kafka client option {name!r} is not one of kafka-python's consumer options{hint}")
    default = known[name]
    try:
        if isinstance(value, str) and isinstance(default, bool):
            return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
        if isinstance(value, str) and isinstance(default, NUMBERS):
            return type(default)(value)
    except (KeyError, ValueError):
        kind = type(default).__name__
        raise ConfigError(f"kafka client option {name!r} must be a {kind}, for example {default!r}") from None
    return value


@contextmanager
def closing_quietly(what: str) -> Iterator[None]:
    """Closing a client whose broker is away fails after its timeout: nothing is lost by that, so it is a line
    in the log and not the end of the process."""
    try:
        yield
    except Exception as error:  # no closed set is documented: timeouts, lost connections, runtime errors
        log.warning("kafka: %s was not closed in order: %s: %s", what, type(error).__name__, error)


def servers(bootstrap_servers: str) -> list[str]:
    named = [server.strip() for server in bootstrap_servers.split(",") if server.strip()]
    if not named:
        raise ConfigError("kafka: bootstrap_servers is empty; expected host:port[,host:port...]")
    return named


def admin_options(consumer: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the consumer's options that an admin client of the same cluster takes."""
    return {name: value for name, value in consumer.items() if name in KafkaAdminClient.DEFAULT_CONFIG}


def producer_options(bootstrap_servers: str, client: Mapping[str, Any]) -> dict[str, Any]:
    """What the dead letters' `KafkaProducer` is built with: the same security, names and addresses."""
    consumer = consumer_options(bootstrap_servers, client)
    return {name: value for name, value in consumer.items() if name in KafkaProducer.DEFAULT_CONFIG}
