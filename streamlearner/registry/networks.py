"""The networks that come with streamlearner; every other name is torchvision's."""

from __future__ import annotations

from streamlearner.registry.part import Registry

NETWORKS = Registry("network", plural="networks", contract="torch.nn:Module")

NETWORKS.register(
    "mlp",
    "streamlearner.networks.by_name:mlp_usual",
    "fully connected, two layers of 400 units",
)
NETWORKS.register(
    "mlp_dropout",
    "streamlearner.networks.by_name:mlp_dropout",
    "the same with dropout of 0.5",
)
NETWORKS.register(
    "mlp_small",
    "streamlearner.networks.by_name:mlp_small",
    "two layers of 48",
)
NETWORKS.register(
    "mlp_small_dropout",
    "streamlearner.networks.by_name:mlp_small_dropout",
    "the same with dropout of 0.2",
)
NETWORKS.register(
    "lenet",
    "streamlearner.networks.by_name:lenet",
    "two convolutions, for images of 16 pixels or more",
)
NETWORKS.register(
    "resnet18_reduced",
    "streamlearner.networks.by_name:resnet18_reduced",
    "a ResNet-18 of a quarter of the channels, for images of 9 pixels or more",
)
