"""A network of a user's own: any module that gives features, with a growing head added."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from streamlearner.networks.base import Network, Standardisation
from streamlearner.registry.part import BrokenPart, Part

RANDOM_WEIGHTS_RATE, CAREFUL_RATE = 0.1, 0.01
"""Learning rates of modules that name none. Random weights with batch normalisation: after 100 steps of 20
images of CIFAR-100, ten classes, ShuffleNet x0.5 had an accuracy of 0.20, 0.22 and 0.23 at 0.05, 0.1 and 0.2
(one seed). The smaller one is for pretrained weights, and without normalisation: not measured."""

_DROPOUTS = (nn.modules.dropout._DropoutNd,)


def wrapped(part: Part, *, input_shape: tuple[int, ...], settings: Any) -> Network:
    """The module that the part makes when it is called with `input_shape` and its settings, as the body of a
    `Network`.

    The module takes float32 [n, *input_shape], images in [0, 1] or standardised feature vectors, and returns
    features [n, f], or maps [n, c, h, w], which are flattened. It may have an attribute `learning_rate`. Its
    weights are drawn from torch's global generator, which the caller seeds. Raises BrokenPart, with what was
    wrong.
    """
    make = part.load()
    try:
        body = make(input_shape=input_shape, **dict(settings or ()))
    except Exception as error:  # it is someone's code, and may raise anything
        failure = f"{type(error).__name__}: {error}"
        raise BrokenPart(f"{part}: called with input_shape={input_shape}, it ended with {failure}") from error
    if isinstance(body, Network):
        return body
    if not isinstance(body, nn.Module):
        raise BrokenPart(f"{part}: made a {type(body).__name__}; expected a torch.nn.Module")
    for name, layer in body.named_modules():
        if isinstance(layer, _DROPOUTS) and layer.p > 0:
            raise BrokenPart(
                f"{part}: {name} draws from torch's global generator at each step, so that no run could be "
                "repeated: use streamlearner.networks.dropout.Dropout"
            )
    rate = getattr(body, "learning_rate", None) or usual_rate(body)
    inputs = [Standardisation(features=input_shape[0])] if len(input_shape) == 1 else []
    features = _features(part, nn.Sequential(*inputs, body), input_shape)
    whole = nn.Sequential(*inputs, body, nn.Flatten())
    return Network(body=whole, features=features, learning_rate=float(rate))


def usual_rate(body: nn.Module, *, pretrained: bool = False) -> float:
    """The learning rate of a network that names none."""
    normalised = any(isinstance(layer, nn.BatchNorm2d) for layer in body.modules())
    return RANDOM_WEIGHTS_RATE if normalised and not pretrained else CAREFUL_RATE


@torch.no_grad()
def _features(part: Part, body: nn.Module, input_shape: tuple[int, ...]) -> int:
    """The number of features that it gives for an input; tried in evaluation mode, so that no statistics
    change."""
    was_training = body.training
    try:
        made = body.eval()(torch.zeros(2, *input_shape))
    except Exception as error:
        failure = f"given inputs of shape {[2, *input_shape]}, it ended with {type(error).__name__}: {error}"
        raise BrokenPart(f"{part}: {failure}") from error
    body.train(was_training)
    if not (isinstance(made, torch.Tensor) and made.ndim in (2, 4) and len(made) == 2):
        found = list(made.shape) if isinstance(made, torch.Tensor) else f"a {type(made).__name__}"
        expected = "expected features [2, f] or maps [2, c, h, w]"
        raise BrokenPart(f"{part}: of 2 inputs it made {found}; {expected}")
    return made.flatten(1).shape[1]
