"""Withheld images that are kept compressed: of the same size each, close to what they were, in the budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.nn import functional as F

from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.image_code import ImageCode

LARGE = (3, 224, 224)


def photograph(side: int = 224) -> Tensor:
    picture = load_sample_image("china.jpg")[100 : 100 + side, 200 : 200 + side]
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def exam(shape: tuple[int, ...] = LARGE, **settings: Any) -> Exam:
    fixed = {"budget_bits": 8 * 2**18, "fraction": 1.0, "dtype": torch.uint8, "seed": 0}
    return Exam(**fixed | {"input_shape": shape} | settings)


def test_a_photograph_is_closer_to_what_it_was_than_a_thumbnail_of_as_many_bytes() -> None:
    image, code = photograph(), ImageCode(shape=LARGE, code_bytes=4_096)
    coded = code.encode(image)
    assert coded.nbytes == 4_096
    (shown,) = code.decode(coded[None])
    assert shown.shape == image.shape
    small = F.interpolate(image[None].float(), size=(36, 36), mode="area")
    thumbnail = F.interpolate(small, size=(224, 224), mode="bilinear")[0]
    off, thumbnail_off = ((one - image.float()).abs().mean() for one in (shown.float(), thumbnail))
    assert float(off) < 0.8 * float(thumbnail_off)


@pytest.mark.parametrize("code_bytes", [256, 1_000, 4_096])
@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (2, 40, 30), (3, 224, 224), (4, 64, 64), (1, 1, 20_000), (3, 1, 1)]
)
def test_any_image_fits_even_one_of_noise(shape: tuple[int, int, int], code_bytes: int) -> None:
    code = ImageCode(shape=shape, code_bytes=code_bytes)
    image = noise(*shape)
    codes = np.stack([code.encode(image), code.encode(image)])
    assert codes.shape == (2, code_bytes) and (codes[0] == codes[1]).all()
    assert code.decode(codes).shape == (2, *shape)


def test_large_images_have_an_exam_that_can_tell() -> None:
    raw, coded = exam(), exam(image_bytes=4_096)
    assert (raw.capacity, coded.capacity) == (1, 63)
    images, labels = torch.stack([photograph()] * 70), torch.arange(70) % 5
    coded.withhold(images, labels, None, period=0)
    assert len(coded) == 63 and coded.inputs.shape == (63, *LARGE)
    assert coded.stored_bits <= coded.budget_bits
    assert set(coded.labels.tolist()) == set(range(5))
    twos = torch.eye(5)[2]
    right = coded.hits(lambda inputs, _: twos.expand(len(inputs), 5), names_tasks=False)
    assert right.tolist() == (coded.labels == 2).tolist()


def test_small_images_and_vectors_are_kept_raw() -> None:
    assert exam((1, 8, 8), image_bytes=256).capacity == exam((1, 8, 8)).capacity
    vectors = {"input_shape": (1_000,), "dtype": torch.float32}
    assert exam(**vectors, image_bytes=256).capacity == exam(**vectors).capacity  # type: ignore[arg-type]


@pytest.mark.parametrize("before", [None, 2_048, 4_096])
@pytest.mark.parametrize("now", [None, 2_048, 4_096])
def test_an_exam_of_a_checkpoint_goes_on_with_codes_of_another_length(
    before: int | None, now: int | None
) -> None:
    shape = (3, 64, 64)
    first, second = exam(shape, image_bytes=before), exam(shape, image_bytes=now)
    first.withhold(torch.stack([photograph(64)] * 4), torch.arange(4), None, period=0)
    second.load_state_dict(first.state_dict())
    assert second.labels.tolist() == first.labels.tolist()
    assert float((second.inputs.float() - photograph(64).float()).abs().mean()) < 15
    second.withhold(torch.stack([photograph(64)] * 2), torch.arange(2), None, period=1)
    assert len(second) == 6 and second.stored_bits <= second.budget_bits
    if before == now:
        assert torch.equal(second.inputs[:4], first.inputs)


def test_examples_with_codes_are_contradicted_and_erased_like_others() -> None:
    coded = exam((3, 64, 64), image_bytes=1_000)
    coded.withhold(torch.stack([photograph(64)] * 6), torch.arange(6) % 3, None, period=0)
    assert coded.erase(label=1) == 2 and set(coded.labels.tolist()) == {0, 2}
