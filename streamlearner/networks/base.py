"""Networks: a body, a head that grows with the classes, statistics of the inputs; and the SGD step."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any, Self

import torch
from torch import Tensor, nn

from streamlearner.networks import batch_statistics
from streamlearner.networks.batch_statistics import BatchStatistics, of_one_example, statistics_of
from streamlearner.networks.head import OpenHead
from streamlearner.networks.image_standardisation import ImageStandardisation
from streamlearner.networks.refused_steps import LONGEST_STEP, REFUSED
from streamlearner.networks.standardisation import Standardisation as Standardisation

CLIP_ABOVE_LOSS = 10.0
"""Gradients are clipped only where the loss is above this: the cross-entropy of answers that are wrong and
confident. Two such terms add up in a step with recollections."""
MAX_GRADIENT_NORM = 50.0
"""Ordinary runs stay below it (digits 8, MNIST 28, by class). Without the limit, features of scale 30 and
more ended in weights that are not finite."""


class Network(nn.Module):
    """A body that gives features [n, f], and a growing head that gives logits [n, rows]. `learning_rate` is
    the one of plain SGD that suits it, for where the user sets none.

    Images are computed in channels-last layout: a step of the LeNet took 4 ms instead of 7 (batch of 22, one
    core). With `half_precision` the body is computed in bfloat16 (weights stay float32); this is part of the
    state, so that a restart computes alike. `image_channels` are said where a method may have images
    standardised: the body's weights are random, and nothing in it normalises. The network may be on another
    device than its inputs: outputs are moved back to theirs.
    """

    def __init__(self, *, body: nn.Module, features: int, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.body: nn.Module = body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = OpenHead(features=features)
        self.half_precision = False
        self.image_channels = 0
        self.image_standardisation: ImageStandardisation | None = None
        self._weights: list[Tensor] = []
        self._all_buffers: list[Tensor] | None = None
        self._input_statistics: list[Tensor] | None = None
        self._batch_statistics: BatchStatistics | None = None
        self.refused_last = False
        self._answers_as_it_trains: bool | None = None
        self.by_hand: bool | None = None
        self.cut, self._shape_at_cut = 0, torch.Size()
        self.rounded: list[nn.Module] = []  # the body as `at_rest` has it; in a list it is no submodule

    @property
    def answers_as_it_trains(self) -> bool:
        """Whether what a step computes for its inputs is also what would be answered to them."""
        if self._answers_as_it_trains is None:
            self._answers_as_it_trains = batch_statistics.answers_as_it_trains(self.body)
        return self._answers_as_it_trains

    @property
    def all_buffers(self) -> list[Tensor]:
        """All buffers, batch statistics included; the list is made once."""
        if self._all_buffers is None:
            self._all_buffers = list(self.buffers())
        return self._all_buffers

    @property
    def input_statistics(self) -> list[Tensor]:
        """The buffers that depend on the inputs and not on the weights: those that standardise. The list is
        made once."""
        if self._input_statistics is None:
            kinds = (Standardisation, ImageStandardisation)
            found = [module for module in self.modules() if isinstance(module, kinds)]
            self._input_statistics = [buffer for module in found for buffer in module.buffers()]
        return self._input_statistics

    @property
    def weights(self) -> list[Tensor]:
        """All parameters. The list is made once (walking the modules took 40 us a step), and anew when the
        head has grown."""
        if not self._weights or self._weights[-1] is not self.head.bias:
            self._weights = list(self.parameters())
        return self._weights

    def update_input_statistics(self, inputs: Tensor) -> None:
        """Updates the running mean and variance of feature vectors [n, d], or of images where these are
        standardised; call it before they are learned. Once the network is cut it changes nothing."""
        if self.cut:
            return
        if self.image_standardisation is not None:
            self.image_standardisation.update(inputs)
        first = self.body[0] if isinstance(self.body, nn.Sequential) else None
        if isinstance(first, Standardisation):
            first.update(inputs)

    @torch.no_grad()
    def load_statistics(self, other: Network) -> None:
        """Copies the batch normalisation statistics of `other`, a network of the same architecture; they
        belong to its weights."""
        for target, source in zip(statistics_of(self), statistics_of(other), strict=True):
            target.copy_(source)

    @property
    def finite_statistics(self) -> bool:
        """False where the step under way would leave statistics of batch normalisation that are not
        finite."""
        return self._batch_statistics is None or self._batch_statistics.finite

    def end_step(self, *, taken: bool) -> None:
        """After each step of learning. What forward passes added to the statistics of batch normalisation
        for one that is refused is undone."""
        if self._batch_statistics is not None:
            self._batch_statistics.end(taken=taken)
        if self.refused_last is taken:  # modules take long to set anything
            self.refused_last = not taken

    @torch.no_grad()
    def cut_at(self, place: int, input_shape: tuple[int, ...]) -> None:
        """Freezes the first modules of a body that is a row of them. From then on what `below` gives may
        stand for images [n, *input_shape]."""
        self.cut = place
        self.train(self.training)
        shown = torch.zeros(1, *input_shape, device=self.head.weight.device)
        self._shape_at_cut = self._computed(shown, slice(place)).shape[1:]

    @property
    def features_at_cut(self) -> int:
        return self._shape_at_cut.numel()

    @torch.no_grad()
    def below(self, images: Tensor) -> Tensor:
        """What the frozen modules make of images [n, C, H, W], flat [n, features_at_cut]."""
        return self._computed(self._standardised(images), slice(self.cut)).flatten(1).to(images.device)

    def state_below(self) -> dict[str, Tensor]:
        """Copies of all that is frozen, by name in the state dict."""
        frozen = (*(f"body.{place}." for place in range(self.cut)), "image_standardisation.")
        state = self.state_dict() if self.cut else {}
        return {name: tensor.clone() for name, tensor in state.items() if name.startswith(frozen)}

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for place in range(self.cut):
            self.body[place].eval()  # type: ignore[index]
        return self

    def features(self, inputs: Tensor) -> Tensor:
        """The representation [n, f] of inputs [n, *input_shape]: the input of the head, and of a linear
        readout."""
        return self._represent(inputs).to(inputs.device)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self._represent(inputs))
        return logits.to(inputs.device)

    def _represent(self, inputs: Tensor) -> Tensor:
        if self.training:
            if self._batch_statistics is None:
                self._batch_statistics = BatchStatistics(self.body)
            self._batch_statistics.begin()
        above = self.cut > 0 and inputs.ndim == 2
        if above:
            inputs = inputs.to(self.head.weight.device).reshape(len(inputs), *self._shape_at_cut)
        else:
            inputs = self._standardised(inputs)
        alone = self.training and len(inputs) == 1 and not self.answers_as_it_trains
        with of_one_example(self.body) if alone else nullcontext():
            return self._computed(inputs, slice(self.cut, None) if above else None)

    def _standardised(self, inputs: Tensor) -> Tensor:
        inputs = inputs.to(self.head.weight.device)
        if self.image_standardisation is not None:
            inputs = self.image_standardisation(inputs)
        return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs

    def _computed(self, inputs: Tensor, part: slice | None = None) -> Tensor:
        """Through the body, or `part` of its modules."""
        whole = self.rounded[0] if self.rounded and self.half_precision and not self.training else self.body
        body = whole if part is None else whole[part]  # type: ignore[index]
        if not self.half_precision:
            return body(inputs)  # type: ignore[no-any-return]
        with torch.autocast(inputs.device.type, torch.bfloat16):
            return body(inputs).float()  # type: ignore[no-any-return]

    def standardise_images(self) -> None:
        """Before any image is learned: from now on they are standardised by all that are met. Does nothing
        for a network whose `image_channels` are not said."""
        if self.image_channels:
            self._standardise_images_by(ImageStandardisation(channels=self.image_channels))

    def _standardise_images_by(self, found: ImageStandardisation | None) -> None:
        self.image_standardisation, self._all_buffers, self._input_statistics = found, None, None

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Images are standardised or not as where the state is from: version 0.1.0 did not."""
        self._batch_statistics, self.rounded = None, []
        mean = state_dict.get(prefix + "image_standardisation.mean")
        if mean is None:
            self._standardise_images_by(None)
        elif self.image_standardisation is None:
            self._standardise_images_by(ImageStandardisation(channels=len(mean)).to(mean.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.half_precision)

    def set_extra_state(self, state: Tensor) -> None:
        self.half_precision = bool(state)


def in_mode(network: Network, *, training: bool) -> Network:
    """The network in training or evaluation mode. Only a change walks its modules."""
    return network if network.training == training else network.train(training)


@torch.no_grad()
def sgd_step(
    network: Network, *, learning_rate: float, loss: float, gradients: list[Tensor] | None = None
) -> None:
    """One step of SGD without momentum from the `gradients` of `weights`, or else from the `.grad` of all
    parameters, which are then set to None. (With less overhead than `torch.optim.SGD`.)

    A step whose loss or gradient is not finite, or that leaves weights which cannot be computed with, is not
    taken and counted in `REFUSED`: a single absurd example must not end months of learning. Statistics of
    batch normalisation are then what they were before. Where the `loss`
    is above `CLIP_ABOVE_LOSS`, a gradient longer than `MAX_GRADIENT_NORM` is clipped to that norm.
    """
    parameters = network.weights
    if by_autograd := gradients is None:
        parameters = [p for p in parameters if p.grad is not None]
        gradients = [p.grad for p in parameters if p.grad is not None]
    norm = math.hypot(*torch.stack(torch._foreach_norm(gradients)).tolist()) if gradients else 0.0
    clip_factor = min(1.0, MAX_GRADIENT_NORM / (norm or 1.0)) if loss > CLIP_ABOVE_LOSS else 1.0
    bounded = math.isfinite(loss) and learning_rate * clip_factor * norm < LONGEST_STEP
    taken = bounded and network.finite_statistics
    if taken:
        torch._foreach_add_(parameters, gradients, alpha=-learning_rate * clip_factor)
    else:
        REFUSED.add()
    network.end_step(taken=taken)
    for p in parameters if by_autograd else ():
        p.grad = None
