"""An eye leaves with the model, or is named as what the model needs first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from streamlearner.export.graph import as_sent
from streamlearner.eyes.by_name import build_eye
from streamlearner.learning.learner import Learner
from streamlearner.replicas import Location, NotServed, predictor_of
from streamlearner.state.published import Published
from tests.support import eyes
from tests.support.exports import OnnxModel, assert_alike, expected, exported, learned, torch_probabilities

EDGES = 10
"""Of 1,000 images: those of which a feature lies on an edge where statistics round."""


def pictures(count: int, *, channels: int, side: int) -> tuple[Tensor, list[str]]:
    """Of three kinds, told apart by where they are bright."""
    chance = torch.Generator().manual_seed(1)
    images = torch.randint(0, 90, (count, channels, side, side + 5), dtype=torch.uint8, generator=chance)
    for place in range(count):
        images[place, :, :, (place % 3) * side // 3 : (place % 3 + 1) * side // 3] += 120
    return images, [["left", "middle", "right"][place % 3] for place in range(count)]


def with_eye(name: str, *, channels: int, side: int, **settings: Any) -> tuple[Learner, Tensor]:
    images, labels = pictures(1_000, channels=channels, side=side)
    eye = build_eye(name, **settings).for_inputs(tuple(images.shape[1:]))
    return learned(images[:200], labels[:200], eye=eye), images


@pytest.mark.parametrize(
    ("channels", "side", "mirrored", "places"),
    [(3, 24, False, 1), (1, 11, True, 1), (3, 16, False, 1), (3, 20, True, 3)],
)
def test_what_the_eye_does_is_a_part_of_the_graph(
    channels: int, side: int, mirrored: bool, places: int
) -> None:
    learner, images = with_eye(
        "tests.support.eyes:tiny", channels=channels, side=side, mirrored=mirrored, places=places
    )
    found = exported(learner)
    wanted, sent = expected(learner.predictor(), images), as_sent(images)
    assert_alike(OnnxModel(found.files["model.onnx"]).probabilities(sent.numpy()), wanted, edges=EDGES)
    assert_alike(torch_probabilities(found.files["model.pt2"], sent), wanted, edges=EDGES)
    assert found.card.signature.eye is not None
    assert found.card.signature.eye.included
    assert found.card.signature.sent_shape == tuple(sent.shape[1:])


def test_an_eye_that_is_an_onnx_file_is_named_as_what_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "eye.onnx"
    torch.onnx.export(
        eyes.tiny().eval(), (torch.zeros(2, 3, 16, 16),), path, dynamo=True, verbose=False,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )  # fmt: skip
    learner, images = with_eye(str(path), channels=3, side=16)
    made = exported(learner, ["onnx"])
    needed = made.card.signature.eye
    assert needed is not None
    assert not needed.included
    assert made.card.signature.document()["inputs"][0]["shape"] == [-1, learner.eye.features]  # type: ignore[union-attr]
    features = learner.eye.see(images)  # type: ignore[union-attr]
    wanted = expected(learner.predictor(), images)
    assert_alike(OnnxModel(made.files["model.onnx"]).probabilities(features.numpy()), wanted, edges=EDGES)

    Published(tmp_path / "out").add(0, made.files)
    location = Location(str(tmp_path / "out"))
    with pytest.raises(NotServed, match=r"takes features of the eye eye\.onnx"):
        predictor_of(location, location.card(0))
    served = predictor_of(location, location.card(0), eye=learner.eye)
    assert_alike(expected(served, images), wanted)
