"""The settings of the eye."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import AfterValidator, Field

from streamlearner.config.part_names import OWN, PartName, PartSection, with_sections
from streamlearner.registry.eyes import EYES
from streamlearner.registry.part import Registry, UnknownPart
from streamlearner.registry.section import Count

NONE = "none"


def _weights(value: str | dict[str, str]) -> str | dict[str, str]:
    if isinstance(value, dict) and set(value) != {"file"}:
        raise ValueError("a name of torchvision's, or {file: path}")
    return value


@with_sections
class EyeSection(PartSection):
    """What looks at images first: a pretrained network, frozen; all else learns from its features."""

    registry: ClassVar[Registry] = EYES

    name: Annotated[
        str,
        PartName(
            EYES,
            also=("none",),
            others=r"[a-z][a-z0-9_]*|.+\.(onnx|pt2)",
            elsewhere="a model of torchvision such as resnet18, a file (*.onnx, *.pt2)",
        ),
    ] = Field(
        default="none",
        description=f"none: learn from the inputs as they are; {EYES.described()}; any image classifier of "
        "torchvision by its name there, for example resnet18; a file of ONNX (*.onnx, with the extra "
        f"`onnx`) or of torch.export (*.pt2); {OWN}, a callable that makes a torch.nn.Module. For a new "
        "state folder: what was learned with one eye is of no use to another",
    )
    weights: Annotated[str | dict[str, str], AfterValidator(_weights)] | None = Field(
        default=None, examples=["DEFAULT"]
    )
    """torchvision's pretrained weights by name, fetched once to pretrained under state_dir, or {file: path}
    of a state dict (torch or safetensors). null: for an eye that brings its own"""
    input_size: Count | None = Field(default=None, examples=[96])
    """pixels a side that images are resized to; null: what the network says, else 224"""
    mean: list[float] | None = Field(default=None, examples=[[0.485, 0.456, 0.406]])
    """subtracted from values in 0..1, one for each channel; null: what the network says, else ImageNet's"""
    deviation: list[float] | None = Field(default=None, examples=[[0.229, 0.224, 0.225]])
    """by which they are divided then; null: what the network says, else ImageNet's"""
    layer: str | None = Field(default=None, min_length=1, examples=["layer3"])
    """the module whose output is taken, by its path in the network; null: what the head would see"""
    places: Count | Literal["auto"] | None = Field(default=None, examples=[3])
    """keeps maps: so many places a side are told apart, each the mean of its part, so that there are channels
    x places x places features; codes of them follow the budget. auto: as many as the budget of the memory
    makes worth it. null: one, the mean over the whole map"""
    mirrored: bool | None = Field(default=None, examples=[True])
    """show each image a second time, mirrored, and take the mean: twice the time, half a point to one better.
    null: once"""
    ordered: bool | None = Field(default=None, examples=[True])
    """whether features come in the order of how much they tell, of deviation 1, about: statistics then take
    the first ones. null: what the network says; also for features that the producer sends (name: none)"""

    @property
    def is_open(self) -> bool:
        """Whether there is one at all."""
        return self.name != NONE

    @pydantic.model_validator(mode="after")
    def _closed_needs_nothing(self) -> EyeSection:
        given = [
            name
            for name in type(self).model_fields
            if name not in ("name", "ordered") and getattr(self, name) is not None
        ]
        if given and not self.is_open:
            raise ValueError(f"eye.name to say which eye, as eye.{given[0]} is set; with none it has no use")
        return self

    def settings_of(self, name: str | None = None) -> Any:
        try:
            return super().settings_of(name)
        except UnknownPart:  # none, torchvision's, or a file
            return None
