"""torchvision, made to import beside any build of torch, and its datasets and models by name.

The torchvision wheel of a package index is usually the CUDA one. Beside a CPU build of torch its compiled
operators do not load, and then `import torchvision` itself fails, because it describes the operator `nms`
without asking whether it is there. Declaring two operators by signature is enough: nothing here computes
with them, and calling one still says that it has no implementation. Where the compiled ones load, this
declares nothing.

Take torchvision from `load()`, never by an import of your own. The first call takes about a second, which
nobody pays who needs neither a dataset nor a model.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamlearner.errors import ConfigError


def has_compiled_operators() -> bool:
    """Whether torchvision's compiled operators load beside this torch; asks without importing torchvision."""
    spec = importlib.util.find_spec("torchvision")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    if folder is None:
        raise ConfigError("torchvision is not installed in this Python; install it: pip install torchvision")
    for library in sorted(folder.glob("_C*.so")) + sorted(folder.glob("_C*.pyd")):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
            return True
        except (ImportError, OSError):  # built for another torch: a missing CUDA library or symbol
            continue
    return False


def declare_operators() -> torch.library.Library | None:
    """Declares `nms` and `qnms` where they are absent. They exist only as long as what this returns does."""
    if has_compiled_operators() or hasattr(torch.ops.torchvision, "nms"):
        return None
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    return library


@functools.cache  # which also keeps what was declared alive, as long as the process
def _declared() -> torch.library.Library | None:
    return declare_operators()


def load() -> Any:
    """torchvision itself, imported now if it was not yet."""
    _declared()
    import torchvision

    return torchvision


TRAINING_HALF: dict[str, tuple[str, bool | str, bool | str]] = {
    "MNIST": ("train", True, False),
    "FashionMNIST": ("train", True, False),
    "KMNIST": ("train", True, False),
    "USPS": ("train", True, False),
    "CIFAR10": ("train", True, False),
    "CIFAR100": ("train", True, False),
    "Omniglot": ("background", True, False),
    "SVHN": ("split", "train", "test"),
    "STL10": ("split", "train", "test"),
    "GTSRB": ("split", "train", "test"),
    "Food101": ("split", "train", "test"),
    "Flowers102": ("split", "train", "test"),
}
"""How each dataset names its halves: the keyword, its value for training, its value for testing."""


def _known(name: str, names: Iterable[str], what: str) -> str:
    """The name as torchvision spells it, whatever its capitals."""
    by_lower = {known.lower(): known for known in names}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.0)
    raise ConfigError(
        f"there is no {what} {name!r}; the nearest is {by_lower[near[0]]!r}, and these are known: "
        + ", ".join(by_lower.values())
    )


def dataset(name: str, *, root: Path | str, train: bool, download: bool = False) -> Any:
    """A torchvision dataset of (PIL image, class index) pairs, its files under `root`, read or fetched there.

    Raises `ConfigError` for a name that is not in `TRAINING_HALF`, and where the files are absent or torn.
    """
    known = _known(name, TRAINING_HALF, "dataset")
    keyword, training, testing = TRAINING_HALF[known]
    half = {keyword: training if train else testing}
    try:
        return getattr(load().datasets, known)(str(root), download=download, **half)
    except (RuntimeError, FileNotFoundError) as error:
        mend = "check the folder"
        if not download:
            mend += ", or have it fetched: --download for a command, source.files.download for the daemon"
        raise ConfigError(f"{known} cannot be read under {root} ({error}); {mend}") from error


# In training these answer with a tuple, not with logits.
_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")

LEAST_SIDE = 64
"""Pixels: below, some models have nothing to convolve, and in most a batch of one leaves batch normalisation
one value a channel. Tried on all of them (48 is enough but for AlexNet and the DenseNets)."""
_ONLY_SIDE = {"maxvit_t": 224}
"""The one size that a model takes. A vision transformer says its own."""


def model_names() -> list[str]:
    """The image classifiers whose body `backbone` can build."""
    models = load().models
    names: list[str] = models.list_models(module=models)
    return [name for name in names if name not in _WITH_AUXILIARY_HEADS]


BATCH_STATISTICS_PACE = 0.1
"""Weight of the newest batch in batch normalisation's statistics, torch's own default. With MobileNet's own
0.01 they came too late: after 100 steps from drawn weights it answered by chance (0.08 of 10 classes of
CIFAR-100, one seed), with this 0.17, as with the statistics of the batch itself."""


class Backbone(nn.Module):
    """A torchvision image classifier without its head.

    Takes images [n, C, H, W] of values in [0, 1], of 1 or 3 channels and of any size: this is the one place
    where they are fitted to what the model takes. Gives [n, features]: what went into the head.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, *, only_side: int | None, weights: Any) -> None:
        """`only_side`: pixels, where the model takes one size only. `weights`: torchvision's, or None."""
        super().__init__()
        self.features = remove_head(network)
        self.network = network
        self.only_side = only_side
        asked = weights.transforms() if weights else None  # without, there is no scale that it was used to
        for name, values in (
            ("mean", asked.mean if asked else 0.0),
            ("deviation", asked.std if asked else 1.0),
        ):
            self.register_buffer(name, torch.as_tensor(values).expand(3).reshape(1, 3, 1, 1).clone())

    def fit(self, images: Tensor) -> Tensor:
        """Three channels, at least `LEAST_SIDE` pixels a side, and of the scale that the weights know."""
        height, width = images.shape[-2:]
        grown = max(1.0, LEAST_SIDE / min(height, width))
        size = [self.only_side] * 2 if self.only_side else [round(height * grown), round(width * grown)]
        if size != [height, width]:
            shrunk = size[0] < height or size[1] < width
            images = functional.interpolate(images, size=size, mode="bilinear", antialias=shrunk)
        return (images.expand(-1, 3, -1, -1) - self.mean) / self.deviation

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.network(self.fit(images))
        return features.flatten(1)


def backbone(name: str, *, weights: str | None = None, folder: Path | None = None) -> Backbone:
    """A torchvision classifier's body by name, to be trained. Draws from torch's global generator: lend it.

    `weights` names pretrained ones (DEFAULT, or a name of torchvision's), fetched once into `folder` (None:
    torch's own cache); None draws all. Dropout and stochastic depth are off: they draw from the global
    generator at every step, and then no run could be repeated. Raises `ConfigError` for unknown or
    unreadable weights, ValueError for an unknown model.
    """
    chosen = pretrained(name, weights) if weights else None
    former = torch.hub.get_dir()
    torch.hub.set_dir(str(folder or former))  # the models ask for no folder
    try:
        if chosen:
            _fetch(chosen)
        network: nn.Module = load().models.get_model(name, weights=chosen)
    finally:
        torch.hub.set_dir(former)
    if not all(bool(parameter.isfinite().all()) for parameter in network.parameters()):
        raise ConfigError(f"the weights {weights} of {name} are not whole: some of them are not numbers")
    for layer in network.modules():
        if isinstance(layer, nn.Dropout | load().ops.StochasticDepth):
            layer.p = 0.0
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = BATCH_STATISTICS_PACE
    only_side = getattr(network, "image_size", _ONLY_SIDE.get(name))
    return Backbone(network, only_side=only_side, weights=chosen)


def remove_head(network: nn.Module) -> int:
    """Takes out the last linear layer (or last convolution); tells how many values went into it."""
    layers: list[tuple[str, nn.Module]] = list(network.named_modules())
    linear = [(path, layer.in_features) for path, layer in layers if isinstance(layer, nn.Linear)]
    convolutions = [(path, layer.in_channels) for path, layer in layers if isinstance(layer, nn.Conv2d)]
    path, features = (linear or convolutions)[-1]  # SqueezeNet ends in a 1x1 convolution
    parent, _, attribute = path.rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Identity())
    return features


def pretrained(name: str, weights: str) -> Any:
    """torchvision's entry for a model's weights, not yet fetched. Raises `ConfigError` for unknown ones."""
    known = load().models.get_model_weights(name)
    if weights not in known.__members__:
        raise ConfigError(
            f"{name} has no weights {weights!r}; it has {', '.join(known.__members__) or 'none'}"
        )
    return known[weights]


def _fetch(weights: Any) -> None:
    """Sees that the file is there, and that it holds tensors alone: it is a pickle, which could hold code."""
    try:
        weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, HTTPException, RuntimeError, UnpicklingError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise ConfigError(
            f"the weights {weights} cannot be had from {weights.url} ({error}); "
            f"check the connection, or put that file into {folder}"
        ) from error
