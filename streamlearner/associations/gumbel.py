"""The discrete autoencoder with Gumbel-softmax: the association of paper 003."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamlearner.associations.contract import Association, CodingContext
from streamlearner.networks.adam import Adam
from streamlearner.registry.associations import GumbelSection

FORMER_STATE = {"moment": "adam.exp_avg", "scale": "adam.exp_avg_sq", "updates": "adam.steps"}
"""In version 0.1 the optimiser's state lay among the association's own buffers, by the names on the left. It
may come from a file without a format (`association.from_checkpoint`): so it is read here."""


class GumbelAssociation(Association):
    """The discrete autoencoder of paper 003: c variables of l levels, trained online by gradient steps.

    Encoder: three convolutions (kernel 5, stride 2, c*l/4 filters) and a linear layer to c*l logits; decoder:
    the mirror image, with a final sigmoid. Feature vectors: three linear layers of width c*l each way,
    without the sigmoid. Training: straight-through Gumbel-softmax (Jang et al., 2017), mean squared error,
    Adam; `steps` steps a batch. Recollections are decoded by frozen weights, those from before the incoming
    batch, as `learn` ends with `freeze`.

    Differs from the paper in that encoding takes the most likely level instead of a sample, in the linear
    layers (the paper does not say how its convolutions are connected to the code), and in that the decoder of
    images starts at the mean colour of the first batch. From mid-grey, the way to the dark mean of MNIST
    kills its ReLUs, and some sizes show the mean image for ever: mean absolute error of held-out digits after
    20,000 others, with this start (without): 8 variables of six levels 0.088 (0.151, the mean image), 10 of
    twenty 0.071 (0.153), 38 of two, three seeds, 0.069 (0.073), but 6 of two 0.146 (0.135). Riemer et al.,
    2018, sections 4 and A.
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        variables: int,
        levels: int,
        generator: torch.Generator,
        learning_rate: float = 1e-3,
        steps: int = 1,
    ) -> None:
        """`generator` draws initial weights and Gumbel noise; its owner checkpoints it, not this module.

        Raises ValueError for a code without variables, or a variable of fewer than two levels.
        """
        super().__init__(input_shape=input_shape)
        if variables < 1 or levels < 2 or steps < 1 or learning_rate <= 0.0:
            raise ValueError(
                f"variables {variables}, levels {levels}, steps {steps}, learning_rate {learning_rate}: "
                "expected >= 1, >= 2, >= 1, > 0"
            )
        self.variables = variables
        self.levels = levels
        self.steps = steps
        self.learning_rate = learning_rate
        self._generator = generator
        with torch.device("meta"):  # weights follow, from `generator` and not from the global one
            encoder, decoder = _autoencoder(self.input_shape, width=variables * levels)
        self.encoder, self.decoder = (m.to_empty(device=generator.device) for m in (encoder, decoder))
        for parameter in self.parameters():
            _initialise(parameter, generator=generator)
        self.frozen_decoder = copy.deepcopy(self.decoder).requires_grad_(False)
        count = sum(p.numel() for p in self._learned())
        self.adam = Adam(count=count, device=generator.device)

    @classmethod
    def build(cls, settings: GumbelSection, context: CodingContext) -> Self:
        return cls(
            input_shape=context.input_shape,
            variables=settings.variables,
            levels=settings.levels,
            generator=context.generator,
            learning_rate=settings.learning_rate,
        )

    @property
    def radices(self) -> tuple[int, ...]:
        """`levels` for each of the variables."""
        return (self.levels,) * self.variables

    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """`steps` gradient steps on `inputs` [n, *input_shape] with `recollections` [m, *input_shape]."""
        batch = inputs if recollections is None else torch.cat([inputs, recollections])
        if not int(self.adam.steps):
            start_at_mean(self.decoder, batch)
        with torch.enable_grad():
            for _ in range(self.steps):
                output = self.decoder(self._sample(self.encoder(batch))).view_as(batch)
                loss = functional.mse_loss(output, batch)
                gradients = torch.autograd.grad(loss, self._learned())
                self.adam.step(self._learned(), gradients, learning_rate=self.learning_rate)
        self.freeze()

    @torch.no_grad()
    def freeze(self) -> None:
        """Copies the decoder: `decode` uses the copy until the next call."""
        for frozen, live in zip(self.frozen_decoder.parameters(), self.decoder.parameters(), strict=True):
            frozen.copy_(live)

    @torch.no_grad()
    def encode(self, inputs: Tensor) -> Tensor:
        """Symbols int64 [n, variables] of `inputs` float32 [n, *input_shape]: the most likely levels."""
        logits: Tensor = self.encoder(inputs)
        return logits.view(len(inputs), self.variables, self.levels).argmax(-1)

    @torch.no_grad()
    def decode(self, symbols: Tensor) -> Tensor:
        """Recollections float32 [n, *input_shape] of `symbols` int64 [n, variables]."""
        one_hot = functional.one_hot(symbols, self.levels).flatten(1).to(torch.float32)
        output: Tensor = self.frozen_decoder(one_hot)
        return output.view(len(symbols), *self.input_shape)

    def _sample(self, logits: Tensor) -> Tensor:
        """Straight-through samples [n, c*l]: one-hot in the forward pass, with the gradient of the soft
        sample."""
        logits = logits.view(-1, self.variables, self.levels)
        uniform = torch.rand(logits.shape, generator=self._generator, device=logits.device)
        noise = -torch.log(-torch.log(uniform.clamp(1e-20, 1.0 - 1e-7)))
        soft = (logits + noise).softmax(-1)
        hard = functional.one_hot(soft.argmax(-1), self.levels).to(soft.dtype)
        return (hard + soft - soft.detach()).flatten(1)

    def _learned(self) -> list[nn.Parameter]:
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for former, name in FORMER_STATE.items():
            if prefix + former in state_dict:
                state_dict[prefix + name] = state_dict.pop(prefix + former)
        super()._load_from_state_dict(state_dict, prefix, *rest)


@torch.no_grad()
def start_at_mean(decoder: nn.Sequential, images: Tensor) -> None:
    """Sets the last bias of a decoder that ends in a sigmoid so that it starts at the mean of `images` [n, C,
    H, W] in [0, 1], by channel. Does nothing for feature vectors, which may have any scale."""
    last = decoder[-2]
    if isinstance(decoder[-1], nn.Sigmoid) and isinstance(last, nn.ConvTranspose2d) and last.bias is not None:
        last.bias.copy_(images.mean((0, 2, 3)).clamp(0.01, 0.99).logit())


def parameter_bits(*, input_shape: tuple[int, ...], variables: int, levels: int) -> int:
    """Bits of the state of a `GumbelAssociation` of this size, without building one: weights, those of the
    frozen decoder, two moving averages for each learned weight, and the number of steps."""
    with torch.device("meta"):
        encoder, decoder = _autoencoder(input_shape, width=variables * levels)
    learned, frozen = (
        sum(p.numel() for m in parts for p in m.parameters()) for parts in ((encoder, decoder), (decoder,))
    )
    return 32 * (3 * learned + frozen) + 64


def _autoencoder(input_shape: tuple[int, ...], *, width: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder to, and decoder from, `width` = c*l values; convolutions have width / 4 filters, at least 4."""
    if len(input_shape) == 1:
        return _linear_stack(input_shape[0], width, width), _linear_stack(width, width, input_shape[0])
    channels, *size = input_shape
    sides = [size]
    for _ in range(3):
        sides.append([math.ceil(s / 2) for s in sides[-1]])
    filters = max(width // 4, 4)
    inner = filters * math.prod(sides[3])
    down: list[nn.Module] = []
    up: list[nn.Module] = [nn.Linear(width, inner), nn.ReLU(), nn.Unflatten(1, (filters, *sides[3]))]
    for i in range(3):
        down += [nn.Conv2d(filters if i else channels, filters, 5, stride=2, padding=2), nn.ReLU()]
        odd = (
            1 - sides[2 - i][0] % 2,
            1 - sides[2 - i][1] % 2,
        )  # of the side before the convolution halved it
        out = channels if i == 2 else filters
        deconvolution = nn.ConvTranspose2d(filters, out, 5, stride=2, padding=2, output_padding=odd)
        up += [deconvolution, nn.Sigmoid() if i == 2 else nn.ReLU()]
    return nn.Sequential(*down, nn.Flatten(), nn.Linear(inner, width)), nn.Sequential(*up)


def _linear_stack(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


@torch.no_grad()
def _initialise(parameter: Tensor, *, generator: torch.Generator) -> None:
    """Weights as in He et al., 2015, from `generator`; biases zero."""
    if parameter.dim() == 1:
        parameter.zero_()
    else:
        parameter.normal_(0.0, math.sqrt(2.0 / parameter[0].numel()), generator=generator)
