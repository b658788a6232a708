"""Inputs as a person can look at them: images as PNG, feature vectors as numbers, or as a picture of bars."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BARS = 240
WIDTH, HEIGHT = 480, 200
_GROUND, _LINE, _BAR = (255, 255, 255), (170, 176, 173), (47, 125, 107)


def written(one: Tensor) -> Any:
    """As predict takes it: a PNG of one channel or three, numbers [d], or else base64 of the bytes."""
    if one.dim() == 1:
        return one.tolist()
    if one.shape[0] in (1, 3):
        return {"image": _base64(_png(_image(one)))}
    array = one.permute(1, 2, 0).contiguous().numpy()
    return {"b64": _base64(array.tobytes()), "shape": list(array.shape), "dtype": str(array.dtype)}


def data_url(one: Tensor) -> str:
    """A PNG of any input: of other than three channels the first; of numbers [d], bars from zero."""
    return f"data:image/png;base64,{_base64(_png(_bars(one) if one.dim() == 1 else _image(one)))}"


def _image(one: Tensor) -> Image:
    import PIL.Image  # once a picture is asked for

    if one.shape[0] == 3:
        return PIL.Image.fromarray(one.permute(1, 2, 0).contiguous().numpy(), "RGB")
    return PIL.Image.fromarray(one[0].contiguous().numpy(), "L")


def _bars(one: Tensor) -> Image:
    """The first `MOST_BARS`; a missing number has none."""
    import PIL.Image
    import PIL.ImageDraw

    values = one[:MOST_BARS].nan_to_num(0.0)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    scale = (HEIGHT - 1) / ((high - low) or 1.0)
    found = PIL.Image.new("RGB", (WIDTH, HEIGHT), _GROUND)
    draw = PIL.ImageDraw.Draw(found)
    zero, step = high * scale, WIDTH / len(values)
    for place, value in enumerate(values.tolist()):
        top, bottom = sorted((zero, (high - value) * scale))
        draw.rectangle((place * step, top, max(place * step, (place + 1) * step - 2), bottom), fill=_BAR)
    draw.line((0, zero, WIDTH, zero), fill=_LINE)
    return found


def _png(image: Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
