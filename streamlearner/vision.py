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
from pathlib import Path
from typing import Any

import torch
from torch import Generator, nn

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
        mend = "check the folder" if download else "check the folder, or allow the download"
        raise ConfigError(f"{known} cannot be read under {root} ({error}); {mend}") from error


# In training these answer with a tuple, not with logits.
_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")


def model_names() -> list[str]:
    """The image classifiers that `model` can build."""
    models = load().models
    names: list[str] = models.list_models(module=models)
    return [name for name in names if name not in _WITH_AUXILIARY_HEADS]


def replace_head(network: nn.Module, *, classes: int) -> nn.Module:
    """The same network with its last linear layer (or last convolution) drawn anew for `classes` outputs."""
    layers: list[tuple[str, nn.Module]] = list(network.named_modules())
    linear = [(path, layer) for path, layer in layers if isinstance(layer, nn.Linear)]
    convolutions = [(path, layer) for path, layer in layers if isinstance(layer, nn.Conv2d)]
    head: nn.Module
    if linear:
        path, last = linear[-1]
        head = nn.Linear(last.in_features, classes, bias=last.bias is not None)
    else:  # SqueezeNet ends in a 1x1 convolution
        path, convolution = convolutions[-1]
        head = nn.Conv2d(convolution.in_channels, classes, kernel_size=1)
    parent, _, attribute = path.rpartition(".")
    setattr(network.get_submodule(parent), attribute, head)
    return network


def model(name: str, *, classes: int, generator: Generator, weights: str | None = None) -> nn.Module:
    """A torchvision image classifier from [n, 3, H, W] float inputs to [n, classes] logits.

    `weights` names pretrained ones ("DEFAULT" or a name of torchvision's; fetched once); None draws them, and
    the head is always drawn. All of that follows from `generator`: torchvision draws from torch's global one,
    which is seeded from it here and put back. Raises `ConfigError` for an unknown model or unknown weights.
    """
    known = _known(name, model_names(), "model")
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network: nn.Module = load().models.get_model(known, weights=weights)
        except (ValueError, KeyError) as error:
            raise ConfigError(f"{known} has no weights {weights!r}: {error}") from error
        return replace_head(network, classes=classes)
