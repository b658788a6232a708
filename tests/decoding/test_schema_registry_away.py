"""A schema that a registry does not know, and a registry that does not answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from streamlearner.stream import Message
from tests.support.mock_registry import MockRegistry, mock_registry
from tests.support.registry_codec import Time, codec_of, reasons
from tests.support.registry_producers import produced


@pytest.fixture
def registry() -> Iterator[MockRegistry]:
    with mock_registry() as found:
        yield found


def test_an_unknown_schema_is_a_dead_letter_and_asked_for_again_later(registry: MockRegistry) -> None:
    time = Time()
    codec = codec_of(registry, time, retry_s=5.0)
    unknown = Message(b"\0\0\0\0\1\0", "t", 0, 0)
    assert codec.ready([unknown], timeout_s=1.0)
    assert reasons(codec, unknown, unknown) == ["registry", "registry"]
    assert (len(registry.asked), codec.connected, time.slept) == (1, True, 0)
    message = produced(registry.url, "avro")
    time.now_s = 5.0
    assert reasons(codec, message) == []


def test_the_stream_waits_for_an_unknown_schema_where_the_setting_says_so(
    registry: MockRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    time = Time()
    codec = codec_of(registry, time, on_unknown="pause")
    with caplog.at_level(logging.WARNING):
        for _ in range(12):
            assert not codec.ready([Message(b"\0\0\0\0\1\0", "t", 0, 0)], timeout_s=1.0)
    assert (time.slept, len(registry.asked)) == (12, 3)
    assert [record.message.split(" (")[0] for record in caplog.records] == ["schema 1 cannot be used"]
    message = produced(registry.url, "avro")
    time.now_s += 5
    assert codec.ready([message], timeout_s=1.0)
    assert reasons(codec, message) == []


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_the_stream_waits_for_a_registry_that_does_not_answer(
    registry: MockRegistry, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    message, time = produced(registry.url, "avro"), Time()
    codec = codec_of(registry, time, retry_s=5.0)
    registry.status = status
    with caplog.at_level(logging.INFO):
        for _ in range(12):
            assert not codec.ready([message], timeout_s=1.0)
        assert not codec.connected
        registry.status = None
        while not codec.ready([message], timeout_s=1.0):
            assert time.now_s < 30
    assert codec.connected
    assert reasons(codec, message) == []
    said = [record.message for record in caplog.records if "registry" in record.message]
    assert ["does not answer" in line for line in said] == [True, False]


def test_messages_are_dead_letters_while_it_does_not_answer_where_the_setting_says_so(
    registry: MockRegistry,
) -> None:
    message, time = produced(registry.url, "avro"), Time()
    codec = codec_of(registry, time, on_unreachable="dead_letter")
    registry.status = 500
    assert codec.ready([message], timeout_s=1.0)
    assert reasons(codec, message) == ["registry"]
    registry.status, time.now_s = None, 5.0
    assert reasons(codec, message) == []


def test_what_is_known_already_needs_no_registry(registry: MockRegistry) -> None:
    message = produced(registry.url, "avro")
    codec = codec_of(registry)
    assert reasons(codec, message) == []
    registry.status = 500
    assert codec.ready([message], timeout_s=1.0)
    assert reasons(codec, message) == []


def test_a_registry_that_is_gone_is_one_that_does_not_answer() -> None:
    with mock_registry() as registry:
        message = produced(registry.url, "avro")
    codec = codec_of(registry)
    assert not codec.ready([message], timeout_s=0.0)


def test_the_second_address_is_asked_where_the_first_does_not_answer(registry: MockRegistry) -> None:
    message = produced(registry.url, "avro")
    with mock_registry() as other:
        other.status = 503
        codec = codec_of(registry, url=f"{other.url}, {registry.url}/")
        assert reasons(codec, message) == []
    assert other.asked == ["/schemas/ids/1"]
