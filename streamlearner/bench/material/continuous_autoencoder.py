"""The autoencoder of paper 003 with continuous latent values: a baseline for discrete ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamlearner.associations.contract import Association
from streamlearner.associations.gumbel import GumbelAssociation, start_at_mean

_VARIABLES, _LEVELS = 48, 2  # of the discrete autoencoder whose convolutions are used: 24 filters
_WIDTH = _VARIABLES * _LEVELS
_BYTES = 4


class ContinuousAutoencoder(Association):
    """The convolutions of `GumbelAssociation` around `latent_values` 32-bit floats, whose bytes are the code
    (Table 6 of the paper, which does not give the number of filters: 24 here). As there, the decoder starts
    at the mean of the first batch. Mean squared error, Adam."""

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        latent_values: int,
        generator: torch.Generator,
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__(input_shape=input_shape)
        self.latent_values = latent_values
        discrete = GumbelAssociation(
            input_shape=input_shape, variables=_VARIABLES, levels=_LEVELS, generator=generator
        )
        narrow, wide = (
            _linear(*size, generator) for size in ((_WIDTH, latent_values), (latent_values, _WIDTH))
        )
        self.encoder = nn.Sequential(discrete.encoder, nn.ReLU(), narrow)
        self.decoder = nn.Sequential(wide, nn.ReLU(), *discrete.decoder)
        self._started = False
        self._optimiser = torch.optim.Adam(self.parameters(), lr=learning_rate)

    @property
    def radices(self) -> tuple[int, ...]:
        """256 for each byte of the code."""
        return (256,) * (_BYTES * self.latent_values)

    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        if not self._started:
            start_at_mean(self.decoder, inputs)
            self._started = True
        with torch.enable_grad():
            loss = functional.mse_loss(self.decoder(self.encoder(inputs)).view_as(inputs), inputs)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()

    @torch.no_grad()
    def encode(self, inputs: Tensor) -> Tensor:
        latent: Tensor = self.encoder(inputs)
        return latent.contiguous().view(torch.uint8).long()

    @torch.no_grad()
    def decode(self, symbols: Tensor) -> Tensor:
        latent = symbols.to(torch.uint8).contiguous().view(torch.float32)
        output: Tensor = self.decoder(latent)
        return output.view(len(symbols), *self.input_shape)


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    with torch.device("meta"):
        layer = nn.Linear(inputs, outputs)
    layer = layer.to_empty(device=generator.device)
    with torch.no_grad():
        layer.weight.normal_(0.0, (2.0 / inputs) ** 0.5, generator=generator)
        layer.bias.zero_()
    return layer
