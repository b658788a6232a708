"""What the daemon answers in JSON: the OpenAPI description shows it, `streamlearner.client` returns it.

No answer is checked against these while it is served or read; a test checks those of a real daemon. More keys
may come, so none is forbidden.
"""

from streamlearner.answer_models.documents import (
    Counts,
    MemoryDocument,
    RetentionDocument,
    Sleeps,
    StatusDocument,
)
from streamlearner.answer_models.open_inference import (
    IndexEntry,
    Inferred,
    ModelMetadata,
    OutputTensor,
    ProtocolReady,
    ServerMetadata,
    TensorMetadata,
)
from streamlearner.answer_models.routes import (
    Accepted,
    Erased,
    Labelled,
    Live,
    OfClass,
    Prediction,
    Predictions,
    ProblemDocument,
    Ready,
    RecollectionsDocument,
    Requested,
)
from streamlearner.answer_models.shown import Label

__all__ = [
    "Accepted",
    "Counts",
    "Erased",
    "IndexEntry",
    "Inferred",
    "Label",
    "Labelled",
    "Live",
    "MemoryDocument",
    "ModelMetadata",
    "OfClass",
    "OutputTensor",
    "Prediction",
    "Predictions",
    "ProblemDocument",
    "ProtocolReady",
    "Ready",
    "RecollectionsDocument",
    "Requested",
    "RetentionDocument",
    "ServerMetadata",
    "Sleeps",
    "StatusDocument",
    "TensorMetadata",
]
