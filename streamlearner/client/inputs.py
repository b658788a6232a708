"""Inputs as requests take them: from lists, arrays, bytes and files."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from streamlearner.errors import StreamlearnerError

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}


def as_input(value: Any) -> Any:
    """One input: an array [H, W], [H, W, C] (uint8, or float from 0 to 1) or [d] of numpy or of what numpy
    can read, a path of a file as `read_input` takes it, the bytes of a PNG, JPEG, WebP or TIFF file, or what
    a request holds, such as a nested list."""
    if isinstance(value, Path):
        return read_input(value)
    if isinstance(value, bytes):
        return {"image": base64.b64encode(value).decode()}
    if hasattr(value, "__array__"):
        return _from_array(value)
    return value


def read_input(file: Path) -> Any:
    """One input as a request takes it: an image file in base64, or what a JSON file holds."""
    try:
        if file.suffix.lower() in IMAGE_SUFFIXES:
            return {"image": base64.b64encode(file.read_bytes()).decode()}
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StreamlearnerError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise StreamlearnerError(
            f"{file}: expected an image ({kinds}) or JSON that holds one input, such as a nested list"
        ) from None


def _from_array(value: Any) -> dict[str, Any]:
    """Bytes of uint8 images, float32 of all else. Who has an array has numpy."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype != np.uint8 or array.ndim == 1:
        array = array.astype(np.float32) if array.dtype.kind == "f" or array.ndim == 1 else array
    if array.dtype.kind in "iu" and array.dtype != np.uint8:
        if array.size and not 0 <= array.min() <= array.max() <= 255:
            raise StreamlearnerError(
                f"an image of integers from {array.min()} to {array.max()}; expected 0 to 255"
            )
        array = array.astype(np.uint8)
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    data = base64.b64encode(array.tobytes()).decode()
    return {"b64": data, "shape": list(array.shape), "dtype": array.dtype.name}


def as_stretch(value: Any) -> tuple[bytes, list[int], str]:
    """The bytes of many inputs of one shape, that shape with their number before it, and the dtype. Who has
    an array has numpy."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype != np.uint8:
        if array.dtype.kind != "f" and array.ndim != 2:
            raise StreamlearnerError(f"images of {array.dtype}; expected uint8, or floats from 0 to 1")
        array = array.astype(np.float32, copy=False)
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return data, list(array.shape), array.dtype.name
