"""The association that is called `transform`: one for images, another for vectors."""

from __future__ import annotations

from typing import Any

from streamlearner.associations.contract import Association, CodingContext
from streamlearner.associations.transform import TransformAssociation
from streamlearner.associations.vector import VectorAssociation


class TransformByShape:
    """Builds it."""

    @staticmethod
    def build(settings: Any, context: CodingContext) -> Association:
        kind = VectorAssociation if len(context.input_shape) == 1 else TransformAssociation
        return kind.build(settings, context)
