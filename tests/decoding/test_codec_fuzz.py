"""The codec under ten thousand bad messages: nothing raises, nothing warns, nothing good is lost."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from streamlearner.decoding.codec import REASONS, Codec
from streamlearner.stream import Message
from tests.support.malformed import BAD, DOUBTFUL, EXACT, LABELS, as_jpeg, pixels_of

OTHERS = "unclosed <socket"
"""The codec opens none: those that an earlier test left are found while this one runs."""


@pytest.mark.filterwarnings("error", f"ignore:{OTHERS}:ResourceWarning")
def test_ten_thousand_malformed_messages_among_good_ones_lose_none_and_raise_nothing() -> None:
    dice = random.Random(20)
    codec = Codec()
    good: dict[int, tuple[np.ndarray[Any, Any], Any]] = {}
    bad: dict[int, str] = {}
    messages: list[Message] = []
    for offset in range(13_000):
        pixels, label = pixels_of(dice), dice.choice(LABELS)
        wire = dice.choice([*EXACT, as_jpeg])(pixels, label)
        if offset == 0 or offset % 13 < 3:
            wire, good[offset] = dice.choice(EXACT)(pixels, label), (pixels, label)
        elif offset % 13 < 8:
            change = dice.choice(BAD)
            wire, bad[offset] = change(dice, wire), change.__name__
        else:
            wire = dice.choice(DOUBTFUL)(dice, wire)
        messages.append(Message(wire[0], "t", 0, offset, headers=wire[1]))
    kept: set[int] = set()
    refused: set[int] = set()
    for start in range(0, len(messages), 100):
        batch, rejects = codec.decode(messages[start : start + 100])
        offsets = [message.offset for message in batch.messages]
        dropped = [reject.message.offset for reject in rejects]
        assert offsets == sorted(offsets)
        assert dropped == sorted(dropped)
        assert sorted(offsets + dropped) == list(range(start, start + len(messages[start : start + 100])))
        assert {reject.reason for reject in rejects} <= set(REASONS)
        assert all(0 < len(reject.detail) < 500 for reject in rejects)
        assert [(n, bad[n]) for n in offsets if n in bad] == []
        assert [(reject.reason, reject.detail) for reject in rejects if reject.message.offset in good] == []
        for place, offset in enumerate(offsets):
            if offset in good:
                pixels, label = good[offset]
                assert torch.equal(batch.inputs[place], torch.from_numpy(pixels.transpose(2, 0, 1).copy()))
                assert batch.labels[place] == (12 if label == "12" else label)
        kept |= set(offsets)
        refused |= set(dropped)
    assert (set(good) - kept, set(bad) - refused) == (set(), set())
