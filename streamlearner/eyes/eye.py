"""An eye: images in, feature vectors out. It never learns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.errors import ConfigError
from streamlearner.eyes.ahead import SeenAhead
from streamlearner.eyes.pooling import pooled

AT_ONCE = 256
"""Images in one forward pass, at most: bounds the memory of a large batch."""
AT_LEAST = 16
"""From so many on a pass on the CPU gives an image the same bits, whatever the others: for fewer, oneDNN's
convolutions take other kernels. (EfficientNet-lite0 at 96 and 224 pixels, torch 2.13, AVX-512: 16 to 100
alike, 1 to 15 not; of 200,000 rounded features 2 were others in batches of 10.)"""


@dataclass(frozen=True, slots=True)
class Sight:
    """How an image is shown: resized to `side` x `side` pixels, then (value - mean) / deviation by channel,
    of values in 0..1. `mirrored`: it is shown twice, once mirrored, and the mean of both is what is seen."""

    side: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    mirrored: bool = False

    def fit(self, images: Tensor) -> Tensor:
        """Raw images [n, C, H, W] as [n, 3, side, side] float32. Grey ones have three equal channels."""
        scaled = images.float() / 255
        if scaled.shape[-2:] != (self.side, self.side):
            size = [self.side, self.side]  # antialias: as PIL resizes, which the weights were trained with
            scaled = F.interpolate(scaled, size=size, mode="bicubic", antialias=True).clamp(0, 1)
        mean, deviation = (scaled.new_tensor(each).view(-1, 1, 1) for each in (self.mean, self.deviation))
        shown: Tensor = (scaled.expand(-1, 3, -1, -1) - mean) / deviation
        return shown.contiguous(memory_format=torch.channels_last)


class Eye:
    """A frozen network, `body`, and how images are shown to it. Any thread may use it at any time.

    `body` takes [n, 3, side, side] float32 and gives [n, d], maps [n, d, h, w] or tokens [n, t, d]; of the
    last two the mean over places is taken, of maps that over each of `places` x `places` parts, side by side
    for each channel. `ordered`: features are of deviation 1, about, those that tell
    most first. `digest` names the weights and the sight, `parameter_bits` counts
    what the weights take. Raises `ConfigError` where it gives nothing of that kind.
    """

    def __init__(
        self,
        body: Callable[[Tensor], Tensor],
        *,
        name: str,
        sight: Sight,
        digest: str,
        parameter_bits: int,
        device: str = "cpu",
        half_precision: bool = False,
        ordered: bool = False,
        places: int = 1,
    ) -> None:
        self.name, self.sight = name, sight
        self.digest, self.parameter_bits = digest, parameter_bits
        self._body, self._device, self.half_precision = body, device, half_precision
        self.input_shape: tuple[int, ...] = ()
        self.ordered, self.places = ordered, places
        self.features = self._tried()
        self.ahead = SeenAhead(self._see_alike, least=AT_LEAST) if device == "cpu" else None

    def see(self, images: Tensor, *, alike: bool = False) -> Tensor:
        """Raw images [n, C, H, W] uint8, C 1 or 3, as features [n, d] float32. With `alike` an image gives
        the same bits in a batch of any size, on the CPU, as sums need that are to be exact: small batches
        are filled up, or were seen `ahead`. That is for the thread that learns."""
        if not alike:
            return self._see_all(images, least=0)
        known = self.ahead.take(images) if self.ahead else None
        return self._see_alike(images) if known is None else known

    def _see_alike(self, images: Tensor) -> Tensor:
        return self._see_all(images, least=AT_LEAST)

    def _see_all(self, images: Tensor, *, least: int) -> Tensor:
        with torch.inference_mode():
            parts = [self._see(filled(part, least))[: len(part)] for part in torch.split(images, AT_ONCE)]
        return torch.cat(parts).clone()  # a tensor of inference mode could not be learned from

    def graph(self, input_shape: tuple[int, ...]) -> nn.Module | None:
        """What `see` computes of images [n, *input_shape], in float32 on the CPU, as a module that
        `torch.export` can follow; None for a body that is no module, as that of an ONNX file."""
        if not isinstance(self._body, nn.Module):
            return None
        return _EyeGraph(deepcopy(self._body).cpu().eval(), self.sight, input_shape, places=self.places)

    def for_inputs(self, shape: tuple[int, ...]) -> Eye:
        """The same eye for a stream of inputs [*shape]. Raises `ConfigError` where they are no images of 1 or
        3 channels."""
        if len(shape) == 1:
            raise ConfigError(
                f"eye.name is {self.name}, but the inputs are vectors of {shape[0]} numbers: set eye.name to "
                "none (features that the producer computed need no eye)"
            )
        if shape[0] not in (1, 3):
            raise ConfigError(f"the eye {self.name} sees images of 1 or 3 channels, found {shape[0]}")
        same = copy(self)
        same.input_shape = tuple(shape)
        return same

    def state(self) -> dict[str, str]:
        """What a checkpoint holds of it."""
        return {"name": self.name, "digest": self.digest}

    def document(self) -> dict[str, str | int]:
        """What `GET /v1/memory` says of it: its parameters are not learned, and count apart."""
        return self.state() | {"features": self.features, "parameter_bits": self.parameter_bits}

    def _see(self, images: Tensor) -> Tensor:
        shown = self.sight.fit(images.to(self._device))
        made = self._pooled(shown)
        if self.sight.mirrored:
            made = (made + self._pooled(shown.flip(3))) / 2
        return made.cpu()

    def _pooled(self, shown: Tensor) -> Tensor:
        with torch.autocast(shown.device.type, torch.bfloat16, enabled=self.half_precision):
            made = self._body(shown)
        return pooled(made, places=self.places).float()  # outside: sums over places are of float32

    def _tried(self) -> int:
        """The number of features, found by showing it two images."""
        try:
            made = self.see(torch.stack([torch.zeros(3, 8, 8), torch.full((3, 8, 8), 255.0)]))
        except ConfigError:
            raise
        except Exception as error:  # it is someone's network, and may raise anything
            failure = f"{type(error).__name__}: {error}"
            shown = f"two images of {self.sight.side} x {self.sight.side} pixels"
            raise ConfigError(f"the eye {self.name}, shown {shown}, ended with {failure}") from error
        if len(made) != 2 or not bool(made.isfinite().all()):
            raise ConfigError(f"the eye {self.name} gives no finite features")
        return made.shape[1]


class _EyeGraph(nn.Module):
    """Resizing is linear by sides: two matrices do what `Sight.fit` does, and every runtime multiplies."""

    rows: Tensor
    columns: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, body: nn.Module, sight: Sight, input_shape: tuple[int, ...], *, places: int) -> None:
        super().__init__()
        self.body, self.mirrored, self.places = body, sight.mirrored, places
        rows, columns = (resizing(side, sight.side) for side in input_shape[1:])
        self.resizes = tuple(input_shape[1:]) != (sight.side, sight.side)
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns.T.contiguous())
        self.register_buffer("mean", torch.tensor(sight.mean).view(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(sight.deviation).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        scaled = images.to(torch.float32) / 255
        if self.resizes:
            scaled = (self.rows @ scaled @ self.columns).clamp(0, 1)
        shown = (scaled.expand(-1, 3, -1, -1) - self.mean) / self.deviation
        made = self._pooled(shown)
        return (made + self._pooled(shown.flip(3))) / 2 if self.mirrored else made

    def _pooled(self, shown: Tensor) -> Tensor:
        return pooled(self.body(shown), places=self.places).to(torch.float32)


def filled(images: Tensor, least: int) -> Tensor:
    """As they are, or with copies of the first to so many."""
    if not 0 < len(images) < least:
        return images
    return torch.cat([images, images[:1].expand(least - len(images), *images.shape[1:])])


def resizing(before: int, after: int) -> Tensor:
    """The matrix [after, before] by which `Sight.fit` resizes one side."""
    each = torch.eye(before, dtype=torch.float64)[None, None]
    found = F.interpolate(each, size=[after, before], mode="bicubic", antialias=True)
    return found[0, 0].to(torch.float32)


def digest_of(network: nn.Module, *, sight: Sight, layer: str | None, places: int = 1) -> str:
    """SHA-256 of the weights by name, of the sight, of where the network is cut, and of the places that are
    told apart (which were one once)."""
    how = [asdict(sight), layer, places][: 3 if places > 1 else 2]
    found = hashlib.sha256(json.dumps(how, sort_keys=True).encode())
    for name, tensor in sorted(network.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def bits_of(network: nn.Module) -> int:
    """Of weights and statistics."""
    return 8 * sum(int(tensor.nbytes) for tensor in network.state_dict().values())


def check_same(eye: Eye | None, saved: Mapping[str, str] | None) -> None:
    """Raises `ConfigError` unless this eye is the one that a checkpoint was learned with."""
    if (eye.digest if eye else None) == (saved["digest"] if saved else None):
        return
    learned = f"the eye {saved['name']} (digest {saved['digest'][:12]})" if saved else "no eye"
    now = f"{eye.name} (digest {eye.digest[:12]})" if eye else "none"
    raise ConfigError(
        f"the checkpoint was learned with {learned}, the configuration says {now}: what was learned from the "
        "features of one means nothing to another. Set eye back as it was, its weights, input_size, mean, "
        "deviation, layer and places included, or choose another state_dir"
    )
