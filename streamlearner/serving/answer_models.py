"""The base of answer models that stand beside their routes; what clients read is in `answer_models`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from streamlearner.answer_models.shown import Label as Label
from streamlearner.answer_models.shown import Share as Share


class AnswerModel(BaseModel):
    """More keys may come, so none is forbidden."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())
