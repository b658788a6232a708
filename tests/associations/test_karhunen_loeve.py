"""The association of principal components, and the correction of what it decodes."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from streamlearner.associations.contract import Association
from streamlearner.associations.correction import Correction
from streamlearner.associations.karhunen_loeve import KarhunenLoeveAssociation
from streamlearner.errors import ConfigError
from streamlearner.methods.recollection_replay import RecollectionReplay
from tests.support.arms import KINDS, differing, make, observe
from tests.support.associations import digits, distortion, follow, inputs_of, karhunen_loeve, transform

SHAPE = (1, 16, 16)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def l1(association: Association, images: Tensor) -> float:
    return float((association.decode(association.encode(images)) - images).abs().mean())


def test_it_codes_handwriting_better_than_a_fixed_transform() -> None:
    stream = digits()
    assert distortion(follow(karhunen_loeve(SHAPE, 60), stream), stream) < 0.8 * distortion(
        follow(transform(SHAPE, 60), stream), stream
    )


def test_the_correction_lowers_the_absolute_error() -> None:
    """The blank margin is where a prior's components lie that none of the stream's have a share in."""
    stream = torch.nn.functional.pad(digits(), (4, 4, 4, 4))
    order = torch.randperm(3 * len(stream), generator=torch.Generator().manual_seed(2)) % len(stream)
    association = follow(karhunen_loeve((1, 24, 24), 20), stream[order])
    assert isinstance(association, KarhunenLoeveAssociation)
    plain = copy.deepcopy(association)
    plain.correction = Correction(
        components=len(plain.radices), values=576, hidden=64, generator=torch.Generator().manual_seed(0)
    )
    assert l1(association, stream) < 0.95 * l1(plain, stream)


@pytest.mark.parametrize("shape", [(1, 28, 28), (2, 9, 14), (1, 5, 5), (3, 1, 1)])
@pytest.mark.parametrize("bits", [1, 7, 100])
def test_codes_of_any_small_image_fit_their_bits(shape: tuple[int, ...], bits: int) -> None:
    inputs = inputs_of(shape)
    for present in (karhunen_loeve(shape, bits), follow(karhunen_loeve(shape, bits), inputs)):
        symbols = present.encode(inputs)
        assert symbols.shape == (len(inputs), len(present.radices))
        assert 2 <= math.prod(present.radices) <= 2**bits
        assert (symbols >= 0).all() and (symbols < torch.tensor(present.radices)).all()
        recollections = present.decode(symbols)
        assert recollections.shape == inputs.shape and recollections.dtype == torch.float32
        assert recollections.min() >= 0.0 and recollections.max() <= 1.0


def test_renewal_leaves_what_it_replaces_unchanged() -> None:
    stream = digits()
    association = follow(karhunen_loeve(SHAPE, 60), stream[:150])
    association.learn(stream[150:190], None)
    codes = association.encode(stream)
    before = association.decode(codes)
    renewed = association.renew()
    assert renewed is not None
    renewed.learn(stream[190:400], None)
    assert torch.equal(association.decode(codes), before)
    assert torch.equal(association.encode(stream), codes)


def test_a_state_loads_into_a_fresh_one_which_goes_on_alike() -> None:
    stream = digits()
    association, fresh = follow(karhunen_loeve(SHAPE, 60), stream[:600]), karhunen_loeve(SHAPE, 60, seed=1)
    fresh.load_state_dict(association.state_dict())
    first, second = (follow(each, stream[600:]) for each in (association, fresh))
    assert torch.equal(first.decode(first.encode(stream)), second.decode(second.encode(stream)))


@pytest.mark.parametrize(
    "arguments",
    [
        {"input_shape": (64,)},
        {"input_shape": (3, 32, 32)},
        {"code_bits": 0},
        {"hidden": 0},
        {"growth": 1.0},
    ],
)
def test_impossible_settings_are_refused_with_what_was_found(arguments: dict[str, object]) -> None:
    usual: dict[str, object] = {"input_shape": SHAPE, "code_bits": 10, "generator": torch.Generator()}
    with pytest.raises(ValueError, match="expected"):
        KarhunenLoeveAssociation(**(usual | arguments))  # type: ignore[arg-type]


def test_it_is_an_association_by_name_with_settings_of_its_own() -> None:
    method, again = (
        make("recollection_replay", association__name="karhunen_loeve", association__karhunen_loeve__hidden=8)
        for _ in range(2)
    )
    assert isinstance(method, RecollectionReplay)
    assert isinstance(method.association, KarhunenLoeveAssociation)
    assert method.association.correction.hidden_bias.shape == (8,)
    observe(method, 8)
    again.load_state_dict(method.state_dict())
    for one in (method, again):
        observe(one, 5, seed=1)
    assert differing(method, again) == []
    assert method.remembered > 0


@pytest.mark.parametrize("kind", ["features", "colour images"])
def test_inputs_that_it_is_not_for_are_refused_with_what_to_use(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"karhunen_loeve is for images of at most 1024 values.*use auto"):
        make("recollection_replay", KINDS[kind], association__name="karhunen_loeve")
