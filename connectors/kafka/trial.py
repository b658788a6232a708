"""Whether the Kafka client can be built with the options of a user: tried without a broker."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer
from kafka.net.sasl import SASL_MECHANISMS

from streamlearner.connectors.kafka.client import closing_quietly, consumer_options
from streamlearner.errors import ConfigError

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
FILES = ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_crlfile")
ANY_VERSION = (3, 0)
"""With a version given the client is built without asking a broker for its own."""


def check_options(bootstrap_servers: str, client: Mapping[str, Any]) -> None:
    """Raises `ConfigError`, naming the option where it is known, for what no broker could mend."""
    options = consumer_options(bootstrap_servers, client)
    protocol, mechanism = options.get("security_protocol", PROTOCOLS[0]), options.get("sasl_mechanism")
    if protocol not in PROTOCOLS:
        raise _refused("security_protocol", protocol, ", ".join(PROTOCOLS))
    if protocol.startswith("SASL") and mechanism not in SASL_MECHANISMS:
        raise _refused("sasl_mechanism", mechanism, ", ".join(sorted(SASL_MECHANISMS)))
    for name in FILES:
        path = options.get(name)
        if path is not None and not os.access(str(path), os.R_OK):
            raise _refused(name, path, "a file that can be read")
    with _unheard():
        try:
            consumer = KafkaConsumer(**({"api_version": ANY_VERSION} | options))
        except Exception as error:  # its own, ValueError, TypeError: no closed set is documented
            raise ConfigError(
                f"kafka client options ({', '.join(sorted(client))}) cannot be used together: {error}"
            ) from error
        with closing_quietly("a consumer that was only tried"):
            consumer.close(autocommit=False, timeout_ms=1000)


@contextmanager
def _unheard() -> Iterator[None]:
    """Without the library's own lines: closed before it has a connection, it warns that no broker can be
    reached, at the start of a daemon whose broker is well."""
    library = logging.getLogger("kafka")
    level = library.level
    library.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        library.setLevel(level)


def _refused(name: str, value: object, expected: str) -> ConfigError:
    return ConfigError(f"kafka client option {name!r} is {value!r}; expected {expected}")
