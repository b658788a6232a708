"""The conformance suite of associations: what `associations.contract.Association` promises."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.app.parts import make_association
from streamlearner.associations.contract import Association
from streamlearner.config.loading import load
from streamlearner.methods.base import Rng
from streamlearner.testing.states import differing, global_generators, state
from streamlearner.testing.threads import OneThread

Shape = tuple[int, ...]


def inputs_of(shape: Shape, count: int = 200, *, seed: int = 0) -> Tensor:
    """As associations take them: smooth images in [0, 1], or features; of four kinds, with some noise."""
    kinds, rng = torch.Generator().manual_seed(7), torch.Generator().manual_seed(seed)
    kind = torch.randint(4, (count,), generator=rng)
    noise = 0.1 * torch.randn(count, *shape, generator=rng)
    if len(shape) == 1:
        return torch.randn(4, *shape, generator=kinds)[kind] + noise
    coarse = torch.rand(4, *(min(side, 4) for side in shape), generator=kinds)
    images = F.interpolate(coarse, size=shape[1:])[kind]
    return (images + noise).clamp(0.0, 1.0).contiguous()


def follow(association: Association, stream: Tensor, *, batch: int = 10) -> Association:
    """Learns a stream, renewing when it is time."""
    for inputs in torch.split(stream, batch):
        association.learn(inputs, None)
        association = association.renew() or association
    return association


class AssociationConformance(OneThread):
    """One line of pytest: `TestMine = AssociationConformance.of("my_package.module:Mine")`.

    `shapes` are those of the inputs that it is tried with; settings are those of a configuration, dots as two
    underscores: `association__mine__size=3`.
    """

    SETTINGS: ClassVar[Mapping[str, Any]]
    SHAPES: ClassVar[Sequence[Shape]] = ((1, 16, 16), (3, 8, 8), (12,))
    INPUTS: ClassVar[int]

    @classmethod
    def of(
        cls, part: str, *, shapes: Sequence[Shape] = SHAPES, inputs: int = 200, **settings: Any
    ) -> type[AssociationConformance]:
        """The suite for the association of this name. After so many `inputs` a code says more than their
        mean."""
        dotted = {name.replace("__", "."): value for name, value in settings.items()}
        named = {"association.name": part} | dotted
        return type(cls.__name__, (cls,), {"SETTINGS": named, "SHAPES": shapes, "INPUTS": inputs})

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "shape" in metafunc.fixturenames:
            metafunc.parametrize("shape", self.SHAPES, ids=lambda shape: "x".join(map(str, shape)))

    def make(self, shape: Shape, rng: Rng | None = None) -> Association:
        """A fresh one; all that it draws is from `rng`."""
        config = load(path=None, settings=self.SETTINGS, environ={})
        dtype = torch.uint8 if len(shape) == 3 else torch.float32
        return make_association(config, input_shape=shape, dtype=dtype, rng=rng or Rng(seed=0))

    def test_codes_are_symbols_within_their_radices_and_decode_to_inputs(self, shape: Shape) -> None:
        fresh, stream = self.make(shape), inputs_of(shape)
        for association in (fresh, follow(self.make(shape), stream)):
            for inputs in (stream[:1], stream[:7]):
                symbols = association.encode(inputs)
                assert (symbols.dtype, symbols.shape) == (
                    torch.int64,
                    (len(inputs), len(association.radices)),
                )
                assert (symbols >= 0).all()
                assert (symbols < torch.tensor(association.radices)).all()
                self._assert_inputs(association.decode(symbols), inputs.shape)

    def _assert_inputs(self, decoded: Tensor, shape: torch.Size) -> None:
        assert (decoded.dtype, decoded.shape) == (torch.float32, shape)
        assert decoded.isfinite().all()
        assert not decoded.requires_grad
        if len(shape) == 4:
            assert decoded.min() >= 0.0
            assert decoded.max() <= 1.0

    def test_no_code_decodes_to_no_input(self, shape: Shape) -> None:
        association = self.make(shape)
        none = torch.zeros(0, len(association.radices), dtype=torch.int64)
        assert association.decode(none).shape == (0, *shape)

    def test_once_it_has_learned_a_code_says_more_than_the_mean(self, shape: Shape) -> None:
        stream = inputs_of(shape, self.INPUTS)
        association = follow(self.make(shape), stream)
        error = (association.decode(association.encode(stream)) - stream).square().mean()
        assert error < (stream - stream.mean(0)).square().mean()

    def test_its_state_is_tensors_all_counted(self, shape: Shape) -> None:
        association = follow(self.make(shape), inputs_of(shape, 50))
        held = association.state_dict()
        assert all(isinstance(value, Tensor) for value in held.values())
        assert association.parameter_bits() == sum(8 * v.numel() * v.element_size() for v in held.values())

    def test_equal_streams_give_equal_codes(self, shape: Shape) -> None:
        stream = inputs_of(shape)
        one, other = (follow(self.make(shape), stream) for _ in range(2))
        assert differing(one, other) == []
        assert torch.equal(one.encode(stream), other.encode(stream))
        assert torch.equal(one.decode(one.encode(stream)), other.decode(other.encode(stream)))

    def test_its_state_goes_into_a_fresh_one_that_goes_on_bit_for_bit(self, shape: Shape) -> None:
        rng, restored_rng = Rng(seed=0), Rng(seed=1)
        association = follow(self.make(shape, rng), inputs_of(shape))
        restored = self.make(shape, restored_rng)
        restored.load_state_dict({name: value.clone() for name, value in association.state_dict().items()})
        restored_rng.set_extra_state(rng.get_extra_state())  # a method checkpoints its own
        more = inputs_of(shape, 60, seed=1)
        assert restored.radices == association.radices
        assert torch.equal(association.encode(more), restored.encode(more))
        association, restored = follow(association, more), follow(restored, more)
        assert differing(association, restored) == []
        assert torch.equal(association.encode(more), restored.encode(more))

    def test_a_renewal_leaves_the_former_as_it_was(self, shape: Shape) -> None:
        former, stream = self.make(shape), inputs_of(shape)
        for inputs in torch.split(stream, 10):
            former.learn(inputs, None)
            before, codes = state(former), former.encode(stream)
            if (renewed := former.renew()) is not None:
                recoded = renewed.encode(former.decode(codes))
                assert (recoded < torch.tensor(renewed.radices)).all()
                follow(renewed, inputs_of(shape, 20, seed=2))
            assert state(former) == before
            assert torch.equal(former.encode(stream), codes)

    def test_recollections_may_come_with_what_is_new(self, shape: Shape) -> None:
        association, stream = self.make(shape), inputs_of(shape, 30)
        recollections = association.decode(association.encode(stream[:10]))
        before = stream.clone(), recollections.clone()
        association.learn(stream[10:], recollections)
        association.encode(stream)
        assert torch.equal(stream, before[0])
        assert torch.equal(recollections, before[1])

    def test_a_copy_shares_nothing(self, shape: Shape) -> None:
        association = follow(self.make(shape), inputs_of(shape, 50))
        twin, before = copy.deepcopy(association), state(association)
        follow(twin, inputs_of(shape, 50, seed=1))
        assert state(association) == before

    def test_nothing_is_drawn_from_a_global_generator(self, shape: Shape) -> None:
        before = global_generators()
        association = follow(self.make(shape), inputs_of(shape, 50))
        association.decode(association.encode(inputs_of(shape, 3)))
        assert global_generators() == before
