"""Associations: an input to a short discrete code and back.

`Association` is the contract. `TransformAssociation` codes a few coefficients of a fixed transform with
scalar quantisers fitted to the stream; `GumbelAssociation` is the discrete autoencoder of paper 003 (Riemer
et al., 2018).
"""

from __future__ import annotations

import copy
import math
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_CANDIDATES_PER_BIT = 4  # coefficients watched; of CIFAR-100's 240 bits, 107 coefficients had a use
_LEAST_IN_CELL = 5  # examples; below, a cell's mean says less than the parametric quantiser


_MOST_MATRIX_ENTRIES = 250_000  # 1 MB: stays in a core's cache
_COUNT_ALL = 2_000
_COUNT_ONE_IN = 4


class Association(nn.Module):
    """What turns an input into a code of discrete symbols, and a code back into an input.

    For its implementer. All calls come from the one learning thread. For each incoming batch the owner
    calls, in this order: `decode` (recollections), `learn`, `renew`, `encode` (codes of the new inputs, for
    the memory). Serving may call `decode` on a frozen copy.

    Guaranteed to you: inputs are finite float32, [n, *input_shape] with n >= 1; images are channel-first
    with values in [0, 1]; symbols are int64 [n, c] with 0 <= symbol < radix, of the radices that you
    announced. You guarantee: `radices` changes only by renewal; equal state, equal inputs and equal
    generators give equal bits; everything learned is in `state_dict` as tensors, and loads into a freshly
    constructed object of the same arguments even where renewals changed shapes. No call keeps a reference
    to what it was given. Nothing draws from a global.
    """

    def __init__(self, *, input_shape: tuple[int, ...]) -> None:
        """`input_shape` is (channels, height, width) or (features,); ValueError for anything else."""
        super().__init__()
        if len(input_shape) not in (1, 3) or min(input_shape) < 1:
            raise ValueError(f"input_shape {input_shape}: expected (channels, height, width) or (features,)")
        self.input_shape = tuple(input_shape)

    @property
    def radices(self) -> tuple[int, ...]:
        """Levels of each of the c symbols of a code; constant until renewed."""
        raise NotImplementedError

    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """Adapt to new `inputs` [n, *input_shape] and, if any, decoded `recollections` [m, *input_shape]."""
        raise NotImplementedError

    def renew(self) -> Association | None:
        """A new association to replace this one, or None where too little came in since the last.

        The caller recodes its memory with `new.encode(old.decode(symbols))`, then forgets this one, which
        is unchanged.
        """
        return None

    def encode(self, inputs: Tensor) -> Tensor:
        """Symbols int64 [n, c] of `inputs` float32 [n, *input_shape]."""
        raise NotImplementedError

    def decode(self, symbols: Tensor) -> Tensor:
        """Recollections float32 [n, *input_shape] of `symbols` int64 [n, c]; images within [0, 1]."""
        raise NotImplementedError

    def parameter_bits(self) -> int:
        """Bits of all tensors that a checkpoint must hold: weights, tables and running statistics."""
        return sum(t.numel() * t.element_size() * 8 for t in self.state_dict().values())


class TransformAssociation(Association):
    """Codes the coefficients that vary most, each with as many levels as its variance deserves.

    Images: orthonormal colour transform (three channels only) and 2-D cosine transform, or, with
    `thumbnail_pixels`, the mean of square blocks; feature vectors: the identity. Bits are given greedily,
    one at a time, to the coefficient whose distortion falls most. A coefficient's quantiser starts as the
    Lloyd-Max quantiser (Lloyd, 1982) of a Gaussian or Laplacian of its mean and variance; each renewal is
    then one Lloyd iteration, with the cell means seen since.

    It starts from a prior that needs no data (variance falling with frequency), and is renewed after
    `first_fit_examples` examples and then each time the examples have grown by `growth`.

    Measured (normalised mean squared error on unseen images, fitted to the stream alone): CIFAR-100, cosine
    transform, 240 bits 0.125, 600 bits 0.066; MNIST at 100 bits, cosine 0.44, one-bit thumbnails of 2 pixels
    0.38. For class-incremental MNIST in 62,720 bits thumbnails win: 96.7 % (two seeds) against 95.1 %
    (one seed) on held-out training images.

    Differs from the codec of FINDINGS in that nothing is fitted on other data.
    """

    examples: Tensor
    batches: Tensor
    fit_examples: Tensor
    shift: Tensor
    square: Tensor
    absolute: Tensor
    centre: Tensor
    index: Tensor
    table: Tensor
    cell_count: Tensor
    cell_total: Tensor
    thresholds: Tensor
    matrix: Tensor
    background: Tensor
    rest: Tensor
    base: Tensor

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        code_bits: int,
        most_symbol_bits: int = 5,
        thumbnail_pixels: int = 0,
        first_fit_examples: int = 20,
        growth: float = 2.0,
    ) -> None:
        """Start from the prior.

        `code_bits`: bits of a code, at least 1. `most_symbol_bits`: 1 to 6. `thumbnail_pixels`: 0 for the
        cosine transform, else the side of the blocks, in pixels, whose means are coded. ValueError for
        anything else.
        """
        super().__init__(input_shape=input_shape)
        if code_bits < 1 or not 1 <= most_symbol_bits <= 6:
            raise ValueError(
                f"code_bits {code_bits}, most_symbol_bits {most_symbol_bits}: expected >= 1, 1 to 6"
            )
        if first_fit_examples < 1 or growth <= 1.0:
            raise ValueError(f"first_fit_examples {first_fit_examples}, growth {growth}: expected >= 1, > 1")
        if thumbnail_pixels < 0 or (thumbnail_pixels and len(input_shape) != 3):
            raise ValueError(
                f"thumbnail_pixels {thumbnail_pixels} with input_shape {input_shape}: images only, >= 0"
            )
        self.code_bits = code_bits
        self.most_symbol_bits = most_symbol_bits
        self.first_fit_examples = first_fit_examples
        self.growth = growth
        candidates = max(_CANDIDATES_PER_BIT * code_bits, 64) if len(input_shape) == 3 else input_shape[0]
        self.transform = _Transform(
            input_shape=self.input_shape, candidates=candidates, thumbnail_pixels=thumbnail_pixels
        )
        mean, variance = self.transform.mean.clone(), self.transform.variance
        self._create_statistics(mean)
        gaussian = torch.zeros_like(variance, dtype=torch.int64)
        bits = _allocate(variance, gaussian, code_bits=code_bits, most_bits=most_symbol_bits)
        index = bits.nonzero().flatten()
        table = _parametric_table(mean[index], variance[index].sqrt(), gaussian[index], bits[index])
        self._adopt(index, table, mean)

    @property
    def radices(self) -> tuple[int, ...]:
        """Levels of each symbol, all powers of two, of product at most 2 ** code_bits."""
        return self._radices

    @torch.no_grad()
    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """Count `inputs` [n, *input_shape] in the running statistics; recollections were counted when new.

        After `_COUNT_ALL` examples only one batch in `_COUNT_ONE_IN` is counted: the figures are settled by then, and
        counting takes longer than coding.
        """
        self.batches += 1
        if int(self.examples) >= _COUNT_ALL and int(self.batches) % _COUNT_ONE_IN:
            return
        values: Tensor = self.transform(inputs)
        self._count_cells(values.index_select(1, self.index))
        if not self.examples:
            self.centre.copy_(values.mean(0))
        self.examples += inputs.shape[0]
        weight = inputs.shape[0] / int(self.examples)
        values -= self.centre
        self.shift.lerp_(values.mean(0), weight)
        self.square.lerp_(values.square().mean(0), weight)
        self.absolute.lerp_(values.abs_().mean(0), weight)

    @torch.no_grad()
    def renew(self) -> TransformAssociation | None:
        """One with tables fitted to all inputs so far, or None before the next scheduled number of them."""
        fitted = int(self.fit_examples)
        due = math.ceil(fitted * self.growth) if fitted else self.first_fit_examples
        if int(self.examples) < due:
            return None
        renewed = copy.deepcopy(self)
        renewed._refit()
        return renewed

    @torch.no_grad()
    def encode(self, inputs: Tensor) -> Tensor:
        """Symbols int64 [n, c] of `inputs` float32 [n, *input_shape]: each coefficient's cell."""
        if len(self.matrix):
            return self._symbols(inputs.flatten(1) @ self.matrix.T)
        return self._symbols(self.transform(inputs).index_select(1, self.index))

    @torch.no_grad()
    def decode(self, symbols: Tensor) -> Tensor:
        """Recollections float32 [n, *input_shape] of `symbols` int64 [n, c]: cell means, transformed back."""
        means = self.table.view(-1)[symbols + self.base]
        if len(self.matrix):
            flat = torch.addmm(self.background, means, self.matrix).clamp_(0.0, 1.0)
            return flat.view(-1, *self.input_shape)
        values = self.rest.repeat(len(symbols), 1)
        values[:, self.index] = means
        return self.transform.inverse(values)

    def _symbols(self, values: Tensor) -> Tensor:
        """Cells int64 [n, c] of coefficients [n, c]."""
        return (values.unsqueeze(-1) > self.thresholds).sum(-1)

    def _count_cells(self, values: Tensor) -> None:
        """Add retained coefficients [n, c] to the means of their cells."""
        cells = (self._symbols(values) + self.base).view(-1)
        self.cell_count.view(-1).index_add_(0, cells, torch.ones_like(values).view(-1))
        self.cell_total.view(-1).index_add_(0, cells, values.reshape(-1))

    def _refit(self) -> None:
        """New allocation and tables from the statistics so far."""
        variance = (self.square - self.shift.square()).clamp_min(0.0)
        mean = self.centre + self.shift
        # E|x - m| / sigma is 0.80 for a Gaussian and 0.71 for a Laplacian: cut half-way
        peaked = self.absolute < 0.753 * self.square.sqrt()
        bits = _allocate(variance, peaked.long(), code_bits=self.code_bits, most_bits=self.most_symbol_bits)
        index = bits.nonzero().flatten()
        table = _parametric_table(mean[index], variance[index].sqrt(), peaked[index].long(), bits[index])
        self._iterate_lloyd(index, table)
        self.fit_examples.copy_(self.examples)
        self._adopt(index, table, mean)

    def _iterate_lloyd(self, index: Tensor, table: Tensor) -> None:
        """Where a coefficient keeps its levels and all its cells were met, fill its row with their means."""
        means = (self.cell_total / self.cell_count).nan_to_num(nan=math.inf).sort(1).values
        least = self.cell_count.masked_fill(self.table.isinf(), math.inf).amin(1)
        present = {k: row for row, k in enumerate(self.index.tolist())}
        for row, k in enumerate(index.tolist()):
            old = present.get(k)
            levels = int(table[row].isfinite().sum())
            if old is not None and levels == self._radices[old] and least[old] >= _LEAST_IN_CELL:
                table[row, :levels] = means[old, :levels]

    def _create_statistics(self, centre: Tensor) -> None:
        """Empty means of deviations from `centre` [k], for float32's sake, their squares and magnitudes."""
        self.register_buffer("examples", torch.zeros((), dtype=torch.int64))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("fit_examples", torch.zeros((), dtype=torch.int64))
        self.register_buffer("centre", centre)
        for name in ("shift", "square", "absolute"):
            self.register_buffer(name, torch.zeros_like(centre))

    def _adopt(self, index: Tensor, table: Tensor, mean: Tensor) -> None:
        """Take `table` [c, levels] for coefficients `index` [c], and `mean` [k] for the rest."""
        self.register_buffer("index", index)
        self.register_buffer("table", table)
        self.register_buffer("cell_count", torch.zeros_like(table))
        self.register_buffer("cell_total", torch.zeros_like(table))
        rest = mean.clone()
        rest[index] = 0.0
        self.register_buffer("rest", rest)
        self._derive()

    def _derive(self) -> None:
        """What follows from the state, for speed: kept out of the state dict."""
        levels = self.table.shape[1]
        rows = torch.arange(self.table.shape[0], device=self.table.device)
        self._radices = tuple(self.table.isfinite().sum(1).tolist())
        self.register_buffer("thresholds", (self.table[:, 1:] + self.table[:, :-1]) / 2, persistent=False)
        self.register_buffer("base", rows * levels, persistent=False)
        self._derive_matrix()

    def _derive_matrix(self) -> None:
        """For small images one matrix [c, pixels] codes and decodes in a third of the time of the separable maps."""
        pixels = math.prod(self.input_shape)
        small = self.transform.image and len(self.index) * pixels <= _MOST_MATRIX_ENTRIES
        units = torch.zeros(len(self.index) if small else 0, len(self.centre), device=self.centre.device)
        units[torch.arange(len(units), device=units.device), self.index[: len(units)]] = 1.0
        matrix = self.transform.synthesis(units).flatten(1)
        background = self.transform.synthesis(self.rest[None]).flatten(1)
        self.register_buffer("matrix", matrix, persistent=False)
        self.register_buffer("background", background, persistent=False)

    def _load_from_state_dict(  # torch's own signature
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take the shapes of the state that is loaded: a renewal may have changed the number of symbols."""
        for name in ("index", "table", "cell_count", "cell_total"):
            found = state_dict.get(prefix + name)
            if found is not None:
                self.register_buffer(name, torch.empty_like(found, device=self.centre.device))
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        self._derive()


class GumbelAssociation(Association):
    """The discrete autoencoder of paper 003: c variables of l levels, learned online by gradient steps.

    Encoder: three convolutions (kernel 5, stride 2, c*l/4 filters) and a linear map to c*l logits; decoder:
    the mirror image, ending in a sigmoid. Feature vectors: three linear maps of width c*l each way, without
    the sigmoid. Training: straight-through Gumbel-softmax (Jang et al., 2017), mean squared error, Adam;
    `steps` steps a batch. Recollections are decoded by frozen weights: those right before the incoming
    batch, as `learn` ends by `freeze`.

    Differs from the paper in that encoding takes the most likely level instead of a sample, and in the
    linear maps (the paper does not say how its convolutions meet the code). Riemer et al., 2018, sections 4
    and A.
    """

    moment: Tensor
    scale: Tensor
    updates: Tensor

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        variables: int,
        levels: int,
        generator: torch.Generator,
        learning_rate: float = 1e-3,
        temperature: float = 1.0,
        steps: int = 1,
    ) -> None:
        """`generator` draws initial weights and Gumbel noise; its owner checkpoints it, not this module.

        ValueError where a code has no variable, or a variable fewer than two levels.
        """
        super().__init__(input_shape=input_shape)
        if variables < 1 or levels < 2 or steps < 1 or learning_rate <= 0.0 or temperature <= 0.0:
            raise ValueError(
                f"variables {variables}, levels {levels}, steps {steps}, learning_rate {learning_rate}, "
                f"temperature {temperature}: expected >= 1, >= 2, >= 1, > 0, > 0"
            )
        self.variables = variables
        self.levels = levels
        self.steps = steps
        self.learning_rate = learning_rate
        self.temperature = temperature
        self._generator = generator
        with torch.device("meta"):  # no weights yet, and so none from the global generator
            encoder, decoder = _autoencoder(self.input_shape, width=variables * levels)
        self.encoder, self.decoder = (m.to_empty(device=generator.device) for m in (encoder, decoder))
        for parameter in self.parameters():
            _initialise(parameter, generator=generator)
        self.frozen_decoder = copy.deepcopy(self.decoder).requires_grad_(False)
        count = sum(p.numel() for p in self._learned())
        self.register_buffer("moment", torch.zeros(count, device=generator.device))
        self.register_buffer("scale", torch.zeros(count, device=generator.device))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @property
    def radices(self) -> tuple[int, ...]:
        """`levels` for each of the variables."""
        return (self.levels,) * self.variables

    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """`steps` gradient steps on `inputs` [n, *input_shape] with `recollections` [m, *input_shape]."""
        batch = inputs if recollections is None else torch.cat([inputs, recollections])
        with torch.enable_grad():
            for _ in range(self.steps):
                output = self.decoder(self._sample(self.encoder(batch))).view_as(batch)
                loss = functional.mse_loss(output, batch)
                self._step(torch.autograd.grad(loss, self._learned()))
        self.freeze()

    @torch.no_grad()
    def freeze(self) -> None:
        """Take the present decoder as the one that `decode` uses until the next call."""
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
        one_hot = functional.one_hot(symbols, self.levels).flatten(1).to(self.moment.dtype)
        output: Tensor = self.frozen_decoder(one_hot)
        return output.view(len(symbols), *self.input_shape)

    def _sample(self, logits: Tensor) -> Tensor:
        """Straight-through samples [n, c*l]: one-hot forwards, the gradient of the soft sample backwards."""
        logits = logits.view(-1, self.variables, self.levels)
        uniform = torch.rand(logits.shape, generator=self._generator, device=logits.device)
        noise = -torch.log(-torch.log(uniform.clamp(1e-20, 1.0 - 1e-7)))
        soft = ((logits + noise) / self.temperature).softmax(-1)
        hard = functional.one_hot(soft.argmax(-1), self.levels).to(soft.dtype)
        return (hard + soft - soft.detach()).flatten(1)

    def _learned(self) -> list[nn.Parameter]:
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    @torch.no_grad()
    def _step(self, gradients: tuple[Tensor, ...]) -> None:
        """One step of Adam (Kingma and Ba, 2015), with its moments in buffers: part of the state."""
        self.updates += 1
        flat = torch.cat([g.flatten() for g in gradients])
        self.moment.lerp_(flat, 0.1)
        self.scale.mul_(0.999).addcmul_(flat, flat, value=0.001)
        done = int(self.updates)
        rate = self.learning_rate / (1.0 - 0.9**done)
        change = self.moment / (self.scale / (1.0 - 0.999**done)).sqrt().add_(1e-8)
        parameters = self._learned()
        for parameter, part in zip(
            parameters, torch.split(change, [p.numel() for p in parameters]), strict=True
        ):
            parameter.sub_(part.view_as(parameter), alpha=rate)


def _autoencoder(input_shape: tuple[int, ...], *, width: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder to, and decoder from, `width` = c*l values; layers of width / 4 filters, at least 4."""
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
        odd = (1 - sides[2 - i][0] % 2, 1 - sides[2 - i][1] % 2)  # the side that the convolution had halved
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


class _Transform(nn.Module):
    """An orthonormal, separable map from inputs to k candidate coefficients, the most variable first.

    Images: grey 0.5 on average, and variance falling with the square of the frequency, as natural images'
    does (Field, 1987). Features: themselves, of mean 0 and variance 1.
    """

    colour: Tensor
    down: Tensor
    across: Tensor
    order: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, *, input_shape: tuple[int, ...], candidates: int, thumbnail_pixels: int) -> None:
        super().__init__()
        self.image = len(input_shape) == 3
        if self.image:
            colour, down, across, variance = _image_prior(*input_shape, thumbnail_pixels=thumbnail_pixels)
        else:
            colour = down = across = torch.eye(1)
            variance = torch.ones(input_shape)
        order = variance.flatten().argsort(descending=True, stable=True)[:candidates]
        for name, value in (("colour", colour), ("down", down), ("across", across), ("order", order)):
            self.register_buffer(name, value, persistent=False)
        mean = self.forward(torch.full((1, *input_shape), 0.5 * self.image))[0]
        self.register_buffer("variance", variance.flatten()[order], persistent=False)
        self.register_buffer("mean", mean, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Coefficients [n, k] of `inputs` [n, *input_shape]."""
        if not self.image:
            return inputs.index_select(1, self.order)
        values = self.down @ inputs @ self.across.T
        if self.colour.shape[0] == 3:
            values = self.colour @ values.flatten(2)
        return values.flatten(1).index_select(1, self.order)

    def inverse(self, values: Tensor) -> Tensor:
        """Inputs [n, *input_shape] of coefficients [n, k], the others zero; images clamped to [0, 1]."""
        return self.synthesis(values).clamp_(0.0, 1.0) if self.image else values

    def synthesis(self, values: Tensor) -> Tensor:
        """The same without the clamp: linear in `values`."""
        if not self.image:
            return values  # all features are candidates, in their own order
        high, wide, colours = self.down.shape[0], self.across.shape[0], self.colour.shape[0]
        spread = values.new_zeros(len(values), colours * high * wide)
        spread[:, self.order] = values
        if colours == 3:
            spread = self.colour.T @ spread.view(-1, 3, high * wide)
        return self.down.T @ spread.view(-1, colours, high, wide) @ self.across


def _image_prior(
    channels: int, height: int, width: int, *, thumbnail_pixels: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Orthonormal maps of colours, rows and columns, and the prior variance [channels, rows, columns]."""
    colour = _cosine(channels) if channels == 3 else torch.eye(channels)
    if thumbnail_pixels:
        down, across = _blocks(height, thumbnail_pixels), _blocks(width, thumbnail_pixels)
        variance = torch.ones(channels, len(down), len(across))
    else:
        down, across = _cosine(height), _cosine(width)
        frequency = torch.arange(height)[:, None].square() + torch.arange(width).square()
        variance = (1.0 / (1.0 + frequency)).repeat(channels, 1, 1)
    if channels == 3:
        variance[1:] /= 16.0  # colour differences vary less than brightness
    return colour, down, across, variance


def _cosine(size: int) -> Tensor:
    """The orthonormal cosine transform (DCT-II), [frequency, position]."""
    position = torch.arange(size, dtype=torch.float64) + 0.5
    rows = torch.cos(math.pi / size * torch.arange(size, dtype=torch.float64)[:, None] * position)
    rows[0] /= math.sqrt(2.0)
    return (rows * math.sqrt(2.0 / size)).float()


def _blocks(size: int, pixels: int) -> Tensor:
    """Orthonormal means of successive blocks of `pixels` (the last may be smaller), [block, position]."""
    block = torch.arange(size) // pixels
    rows = functional.one_hot(block).T.float()
    return rows / rows.sum(1, keepdim=True).sqrt()


@cache
def _unit_quantisers() -> tuple[Tensor, Tensor]:
    """Lloyd-Max levels [2, 7, 64] and distortions [2, 7] of unit Gaussian and Laplacian for 0 to 6 bits."""
    levels, distortion = torch.full((2, 7, 64), math.inf), torch.ones(2, 7)
    levels[:, 0, 0] = 0.0
    value = torch.linspace(-10.0, 10.0, 8001, dtype=torch.float64)
    for shape, density in enumerate(
        (torch.exp(-value.square() / 2), torch.exp(-math.sqrt(2.0) * value.abs()))
    ):
        for bits in range(1, 7):
            level, error = _lloyd(value, density / density.sum(), levels=2**bits)
            levels[shape, bits, : 2**bits] = level.float()
            distortion[shape, bits] = error
    return levels, distortion


def _lloyd(value: Tensor, density: Tensor, *, levels: int) -> tuple[Tensor, float]:
    """Lloyd-Max levels [levels] of a `density` [g] at `value` [g], and their mean squared error."""
    spread = density.pow(1 / 3).cumsum(
        0
    )  # the best companding for many levels (Panter and Dite, 1951): a good start
    wanted = (torch.arange(levels, dtype=torch.float64) + 0.5) / levels * spread[-1]
    level = value[torch.searchsorted(spread, wanted)]
    mass, moment = (functional.pad(x.cumsum(0), (1, 0)) for x in (density, density * value))
    for _ in range(300):
        cut = torch.searchsorted(value, (level[1:] + level[:-1]) / 2)
        cut = functional.pad(functional.pad(cut, (1, 0)), (0, 1), value=len(value))
        level = moment[cut].diff() / mass[cut].diff()
    error = (
        (value - level[torch.searchsorted((level[1:] + level[:-1]) / 2, value)]).square() * density
    ).sum()
    return level, float(error)


def _allocate(variance: Tensor, shape: Tensor, *, code_bits: int, most_bits: int) -> Tensor:
    """Bits [k] of each coefficient, given one by one to where distortion falls most, of sum <= `code_bits`.

    A gain is a variance times how much a unit quantiser of that `shape` (0 Gaussian, 1 Laplacian) improves
    by one more bit; gains fall with each bit, so taking the largest `code_bits` gains is the greedy, and
    best, allocation. A coefficient that never varied gets none; where none varied, the first gets one, so
    that there is always a symbol.
    """
    distortion = _unit_quantisers()[1].to(variance.device)[:, : most_bits + 1]
    gains = -distortion.diff(dim=1)[shape] * variance[:, None]
    chosen = gains.flatten().argsort(descending=True, stable=True)[:code_bits]
    chosen = chosen[gains.flatten()[chosen] > 1e-9]
    bits = torch.bincount(chosen // most_bits, minlength=len(variance))
    bits[0] += bits.sum() == 0
    return bits


def _parametric_table(mean: Tensor, deviation: Tensor, shape: Tensor, bits: Tensor) -> Tensor:
    """Levels [c, 2 ** most bits] of Lloyd-Max quantisers, ascending, infinite where a symbol has fewer."""
    unit = _unit_quantisers()[0].to(mean.device)[shape, bits, : 2 ** int(bits.max())]
    spread = deviation.clamp_min(1e-4)[:, None]  # levels stay apart where nothing varies
    return mean[:, None] + spread * unit
