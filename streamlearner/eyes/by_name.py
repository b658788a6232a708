"""Eyes by name: a part of `EYES`, a module of your own, a file, or an image classifier of torchvision."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from streamlearner.errors import ConfigError
from streamlearner.eyes import files
from streamlearner.eyes.eye import Eye, Sight, bits_of, digest_of
from streamlearner.eyes.places import Places, places_of
from streamlearner.registry.eyes import EYES
from streamlearner.registry.part import BrokenPart, Part, UnknownPart
from streamlearner.vision import torchvision as vision

USUAL_SIDE = 224
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of values in 0..1, where nothing says otherwise."""


def build_eye(
    name: str,
    *,
    weights: str | Mapping[str, str] | None = None,
    weights_folder: Path | None = None,
    input_size: int | None = None,
    mean: Sequence[float] | None = None,
    deviation: Sequence[float] | None = None,
    layer: str | None = None,
    mirrored: bool = False,
    places: Places = 1,
    device: str = "cpu",
    half_precision: bool = False,
) -> Eye:
    """The eye of this name, frozen. `weights` are torchvision's by name (fetched once, into
    `weights_folder`), or `{"file": path}`; `places` a number, or a rule for its maps; what is None is as the
    network says. Raises `ConfigError`."""

    def sight(known: Any) -> Sight:
        side = input_size or getattr(known, "input_size", None) or USUAL_SIDE
        shown = mean or getattr(known, "mean", None) or IMAGENET[0]
        spread = deviation or getattr(known, "deviation", None) or IMAGENET[1]
        return Sight(int(side), _three(shown), _three(spread), mirrored)

    if Path(name).suffix in files.SUFFIXES:
        path = Path(name).expanduser()
        found = files.read(path, layer=layer)
        seen = sight(_Known(input_size=found.side))
        apart = places_of(found.body, seen, places, device=device)
        return Eye(
            found.body, name=path.name, sight=seen, parameter_bits=files.bits_of(path), device=device,
            digest=files.digest_of(path, sight=seen, places=apart), places=apart,
        )  # fmt: skip
    if part := _part(name):
        network = _made(part, input_size)
    else:
        network = _of_torchvision(name, weights=weights, folder=weights_folder)
    network = network.eval().requires_grad_(False)
    seen = sight(network)
    body, ordered = _cut(network, layer).to(device), layer is None and getattr(network, "ordered", False)
    body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    apart = places_of(body, seen, places, device=device)
    return Eye(
        body, name=name, sight=seen, parameter_bits=bits_of(network), device=device, ordered=ordered,
        digest=digest_of(network, sight=seen, layer=layer, places=apart), half_precision=half_precision,
        places=apart,
    )  # fmt: skip


def check_eye(name: str, *, weights: str | Mapping[str, str] | None) -> None:
    """Raises `ConfigError` for a name that nothing has; builds and fetches nothing."""
    is_file = Path(name).suffix in files.SUFFIXES
    if is_file:
        files.check(Path(name).expanduser())
    if is_file or _part(name):
        if weights:
            raise ConfigError(f"eye.weights: {name} brings its own; only torchvision's models take any")
        return
    if name not in (known := vision.model_names()):
        near = difflib.get_close_matches(name[:100], [*EYES.names(), *known], n=1)
        raise ConfigError(
            f"eye.name: there is no eye {name[:100]!r}; "
            + (f"did you mean {near[0]}? " if near else "")
            + f"expected none, {', '.join(EYES.names())}, an image classifier of torchvision, a file "
            "(*.onnx, *.pt2) or package.module:Name"
        )
    if not weights:
        raise ConfigError(f"eye.weights: {name} without weights sees nothing; name some (DEFAULT), or a file")
    if isinstance(weights, str):
        vision.pretrained(name, weights)


class _Known:
    """What is known of a network that has no attributes."""

    def __init__(self, **known: Any) -> None:
        self.__dict__.update(known)


def _three(values: Any) -> tuple[float, ...]:
    """One value for all channels, or one for each."""
    found = torch.as_tensor(values, dtype=torch.float64).flatten()
    if len(found) not in (1, 3):
        raise ConfigError(f"eye.mean and eye.deviation: expected one number or three, found {len(found)}")
    return tuple(found.expand(3).tolist())


def _part(name: str) -> Part | None:
    try:
        return EYES.find(name)
    except UnknownPart:
        if name in EYES.installed:  # twice
            raise
        return None


def _made(part: Part, input_size: int | None) -> nn.Module:
    """What the part makes when it is called: with `input_size`, where it takes that. A module may have
    attributes `input_size`, `mean` and `deviation`."""
    make = part.load()
    try:
        takes_size = "input_size" in inspect.signature(make).parameters
        made = make(input_size=input_size) if takes_size else make()
    except ConfigError:
        raise
    except Exception as error:  # it is someone's code, and may raise anything
        raise BrokenPart(f"{part}: called, it ended with {type(error).__name__}: {error}") from error
    if not isinstance(made, nn.Module):
        raise BrokenPart(f"{part}: made a {type(made).__name__}; expected a torch.nn.Module")
    return made


def _of_torchvision(name: str, *, weights: str | Mapping[str, str] | None, folder: Path | None) -> nn.Module:
    """A classifier without its head, which knows the sight of its weights."""
    check_eye(name, weights=weights)
    if isinstance(weights, Mapping):
        network: nn.Module = vision.load().models.get_model(name, weights=None)
        _load(network, Path(weights["file"]).expanduser())
        return network
    body = vision.backbone(name, weights=weights, folder=folder)
    asked = vision.pretrained(name, str(weights)).transforms()
    network = body.network
    known = {"input_size": asked.crop_size[0], "mean": tuple(asked.mean), "deviation": tuple(asked.std)}
    for attribute, value in known.items():
        setattr(network, attribute, value)
    return network


def _load(network: nn.Module, path: Path) -> None:
    """Takes the head off, and the weights from a file of torch or safetensors, with or without a head's."""
    before = set(network.state_dict())
    vision.remove_head(network)
    head = before - set(network.state_dict())
    try:
        tensors = _tensors(path)
        missing, unexpected = network.load_state_dict(tensors, strict=False)
    except (OSError, RuntimeError, ValueError, AttributeError) as error:
        raise ConfigError(f"eye.weights: {path} cannot be used: {error}") from error
    if missing or (strange := set(unexpected) - head):
        lacks = f"lacks {missing[0]}" if missing else f"has {sorted(strange)[0]}"
        raise ConfigError(f"eye.weights: {path} {lacks}; expected the state dict of this network")


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found


class _Reached(Exception):
    """Ends a forward pass where the network is cut."""

    def __init__(self, output: Tensor) -> None:
        self.output = output


class Cut(nn.Module):
    """A network up to one of its modules. Each pass ends there by an exception, so that any thread may run
    one."""

    def __init__(self, network: nn.Module, layer: nn.Module) -> None:
        super().__init__()
        self.network = network
        layer.register_forward_hook(self._reached)

    @staticmethod
    def _reached(module: nn.Module, args: Any, output: Tensor) -> None:
        raise _Reached(output)

    def forward(self, images: Tensor) -> Tensor:
        try:
            self.network(images)
        except _Reached as reached:
            return reached.output
        raise ConfigError("eye.layer is a module that the network never calls")


def _cut(network: nn.Module, layer: str | None) -> nn.Module:
    if layer is None:
        return network
    try:
        return Cut(network, network.get_submodule(layer))
    except AttributeError as error:
        known = [path for path, _ in network.named_modules() if path.count(".") <= 1 and path]
        raise ConfigError(f"eye.layer: there is no {layer}; there are {', '.join(known[:40])}") from error
