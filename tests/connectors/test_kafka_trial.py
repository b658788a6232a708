"""Options of a Kafka client, tried without a broker."""

from __future__ import annotations

import logging
import socket

import pytest

from streamlearner.connectors.kafka.trial import check_options


def test_a_client_that_is_only_tried_says_nothing_of_a_broker(caplog: pytest.LogCaptureFixture) -> None:
    library = logging.getLogger("kafka")
    before = library.level
    with socket.create_server(("127.0.0.1", 0)) as port, caplog.at_level(logging.DEBUG):
        check_options(f"127.0.0.1:{port.getsockname()[1]}", {})
    assert [record for record in caplog.records if record.name.startswith("kafka")] == []
    assert library.level == before
