"""Errors that stop something: each says what was found, where, what was expected and how to mend it.

Bad input is not here: it is data (`stream.Reject`). These are broken promises.
"""

from __future__ import annotations


class StreamlearnerError(Exception):
    """The root of every error this project raises on purpose; `exit_code` is what the process ends with."""

    exit_code = 1


class ConfigError(StreamlearnerError):
    """The configuration cannot be used: an unknown key, a wrong type, a contradiction."""

    exit_code = 78


class SourceError(StreamlearnerError):
    """A source cannot go on and going on would lose or repeat examples."""


class SourceUnreachable(SourceError):
    """The broker did not answer at start-up within its deadline."""

    exit_code = 69


class PositionLost(SourceError):
    """The position in the checkpoint no longer means the same place in the stream (retention, truncation,
    re-creation, another source). A restart finds the same, so it is a person's decision."""

    exit_code = 78


class CheckpointError(StreamlearnerError):
    """A checkpoint could not be written, or one that was asked for cannot be read."""


class NoReadableCheckpoint(CheckpointError):
    """Checkpoints exist, but not one of them can be read."""

    exit_code = 74


class NothingLearned(StreamlearnerError):
    """Predictions, or a sleep, were asked for before the first class was learned."""


class StateInUse(StreamlearnerError):
    """Another process holds this state folder."""


class InvalidInput(StreamlearnerError):
    """A request or message whose content cannot be used; edges turn it into a Reject or an HTTP 400.

    `reason` is one of a small fixed set (a metric label); the text is for a person, and `readable`, whatever
    it quotes.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(readable(text))
        self.reason = reason


def readable(text: str) -> str:
    """`text`, with what cannot be shown escaped as Python would: controls and line ends, which would forge
    lines of a log, and lone surrogates, which JSON may hold and no UTF-8 (`"\\ud800"`)."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
