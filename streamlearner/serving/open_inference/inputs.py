"""Input tensors, to inputs as the learner takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic_core import from_json
from torch import Tensor

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.image_signatures import SIGNATURES
from streamlearner.errors import InvalidInput
from streamlearner.serving.open_inference.tensors import NamedTensor

INPUT = "input"
"""The name of the one input; another name for the only tensor of a request is as good."""


def decode(tensors: Sequence[NamedTensor], *, codec: Codec, max_batch: int) -> Tensor:
    """[n, C, H, W] uint8 or [n, d] float32, from the one tensor of a request. Raises `InvalidInput`.

    Numbers: [n, d], [n, H, W] or [n, H, W, C], by the rules of `decoding.inputs`; BOOL is 0.0 and 1.0.
    BYTES: [n] or [n, 1], each an image file as it is or in base64, or the JSON text of an input.
    """
    if len(tensors) != 1:
        raise InvalidInput("shape", f'{len(tensors)} input tensors; expected one, "{INPUT}"')
    (tensor,) = tensors
    count = tensor.shape[0]
    if count > max_batch:
        text = f"{count} inputs; expected at most {max_batch} (serving.max_batch)"
        raise InvalidInput("too_large", text)
    if tensor.datatype == "BYTES":
        if tensor.shape not in ((count,), (count, 1)):
            text = f"BYTES of shape {list(tensor.shape)}; expected [n] or [n, 1]: one element an input"
            raise InvalidInput("shape", text)
        return codec.decode_inputs([_of_bytes(each, index) for index, each in enumerate(tensor.values.flat)])
    if len(tensor.shape) < 2:
        text = f"shape {list(tensor.shape)} has no batch; expected [n, d], [n, H, W] or [n, H, W, C]"
        raise InvalidInput("shape", text)
    values = tensor.values
    if tensor.datatype in ("BOOL", "FP16"):
        values = values.astype(np.float32)
    return codec.decode_inputs(list(values))


def _of_bytes(element: bytes, index: int) -> Any:
    """What `decoding.inputs.read_input` takes."""
    if element.startswith(SIGNATURES):
        return {"image": element}
    if element.lstrip()[:1] in (b"[", b"{"):
        try:
            return from_json(element, allow_inf_nan=False)
        except ValueError as error:
            raise InvalidInput("json", f"inputs[{index}] is not JSON: {error}") from None
    try:
        return {"image": element.decode("ascii").strip()}
    except UnicodeDecodeError:
        expected = "expected a PNG, JPEG, WebP or TIFF, as it is or in base64, or the JSON text of an input"
        raise InvalidInput(
            "image", f"inputs[{index}] starts with {element[:8].hex(' ')}; {expected}"
        ) from None
