"""The associations: what each is called, where its code is, and its own settings."""

from __future__ import annotations

from pydantic import Field

from streamlearner.registry.part import Registry
from streamlearner.registry.section import Count, Section

ASSOCIATIONS = Registry(
    "association", plural="associations", contract="streamlearner.associations.contract:Association"
)


class GumbelSection(Section):
    """Of gumbel alone; they stand beside `association.name`."""

    variables: Count = 62
    """gumbel: categorical variables of a code (the paper's c)"""
    levels: int = Field(default=2, ge=2)
    """gumbel: values of each variable (the paper's l)"""
    learning_rate: float = Field(default=1e-3, gt=0)
    """gumbel: step size of Adam"""


class KarhunenLoeveSection(Section):
    """Of karhunen_loeve, for small images that are aligned, such as handwriting."""

    hidden: Count = 400
    """hidden units of the network that corrects decoded images: about 128 bits of parameters for each pixel
    and unit"""
    growth: float = Field(default=3.0, gt=1)
    """principal components are fitted anew each time the examples have grown by this factor, from 20 on"""


ASSOCIATIONS.register(
    "trellis",
    "streamlearner.associations.trellis:TrellisAssociation",
    "the stream's principal directions, fitted on it, quantised along a trellis",
)
ASSOCIATIONS.register(
    "transform",
    "streamlearner.associations.transform_by_shape:TransformByShape",
    "cosine transform, fitted on the stream, quantised value by value; of vectors principal directions",
)
ASSOCIATIONS.register(
    "thumbnail",
    "streamlearner.associations.thumbnail:ThumbnailAssociation",
    "means of blocks",
)
ASSOCIATIONS.register(
    "gumbel",
    "streamlearner.associations.gumbel:GumbelAssociation",
    "the paper's discrete autoencoder",
    settings=GumbelSection,
    under="",
)
ASSOCIATIONS.register(
    "karhunen_loeve",
    "streamlearner.associations.karhunen_loeve:KarhunenLoeveAssociation",
    "principal components of a small image, with a trained correction of what is decoded",
    settings=KarhunenLoeveSection,
)
ASSOCIATIONS.register(
    "raw",
    "streamlearner.associations.lossless:RawAssociation",
    "the input itself",
)
