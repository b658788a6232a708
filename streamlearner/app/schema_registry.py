"""The configured Schema Registry."""

from __future__ import annotations

import ssl
from importlib import import_module

from streamlearner.app.machine import THIS_MACHINE, Machine
from streamlearner.config.message_settings import SchemaRegistrySection
from streamlearner.decoding.registered import Registry
from streamlearner.errors import ConfigError

_LIBRARIES = ("fastavro", "google.protobuf", "jsonschema")


def make_registry(section: SchemaRegistrySection, *, machine: Machine = THIS_MACHINE) -> Registry | None:
    """None where no address is set. Raises `ConfigError` where the libraries of its formats are missing, or
    its authorities cannot be read."""
    if section.url is None:
        return None
    for library in _LIBRARIES:
        try:
            import_module(library)
        except ImportError:
            raise ConfigError(
                f"schema_registry.url is set and {library} is not installed: "
                "pip install 'streamlearner[registry]'"
            ) from None
    # These import the libraries, which are not everybody's.
    from streamlearner.decoding.schema_registry.client import RegistryClient
    from streamlearner.decoding.schema_registry.records import RegistryRecords

    try:
        client = RegistryClient(
            [url.strip() for url in section.url.split(",")],
            username=section.username,
            password=section.password,
            ca_file=section.ca_file,
            timeout_s=section.timeout_s,
        )
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"schema_registry.ca_file: {section.ca_file} cannot be read: {error}") from None
    return RegistryRecords(
        client=client,
        waits_unreachable=section.on_unreachable == "pause",
        waits_unknown=section.on_unknown == "pause",
        retry_s=section.retry_s,
        max_schemas=section.max_schemas,
        clock=machine.clock,
        sleep=machine.sleep,
    )
