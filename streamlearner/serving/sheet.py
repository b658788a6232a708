"""Recollections as one PNG: a row of images for each class, its label in front."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from streamlearner.decoding.labels import ClassName

CELL_PIXELS = 48
"""Small images are enlarged to about this, by a whole factor, so that their pixels stay squares."""
GAP_PIXELS = 4
MARGIN_PIXELS = 96
FONT_PIXELS = 14
MOST_CLASSES = 200
"""At 52 pixels a row, 10,400 pixels high: what image viewers still open."""
_BACKGROUND = (24, 26, 31)
_INK = (214, 218, 226)


def draw_sheet(classes: list[tuple[ClassName, Tensor]], *, columns: int) -> bytes:
    """A PNG of (label, [k, C, H, W] uint8) rows with room for `columns` pictures each; at least one row."""
    _, _, height, width = classes[0][1].shape
    factor = max(1, CELL_PIXELS // max(height, width))
    cell = width * factor + GAP_PIXELS, height * factor + GAP_PIXELS
    shown = classes[:MOST_CLASSES]
    size = MARGIN_PIXELS + columns * cell[0], GAP_PIXELS + len(shown) * cell[1]
    sheet = Image.new("RGB", size, _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_PIXELS)
    for row, (label, inputs) in enumerate(shown):
        top = GAP_PIXELS + row * cell[1]
        place = MARGIN_PIXELS - 10, top + (cell[1] - GAP_PIXELS) // 2
        draw.text(place, _caption(label), fill=_INK, font=font, anchor="rm")
        for column, one in enumerate(inputs[:columns]):
            picture = _picture(one).resize((width * factor, height * factor), Image.Resampling.NEAREST)
            sheet.paste(picture, (MARGIN_PIXELS + column * cell[0], top))
    stream = io.BytesIO()
    sheet.save(stream, format="PNG")
    return stream.getvalue()


def _caption(label: ClassName) -> str:
    """At most 11 characters that the built-in font has; the margin holds no more."""
    text = str(label).encode("latin-1", "replace").decode("latin-1")
    return text if len(text) <= 11 else f"{text[:9]}.."


def _picture(one: Tensor) -> Image.Image:
    """[C, H, W] uint8: three channels are colours; of any other number the first is shown."""
    if one.shape[0] == 3:
        return Image.fromarray(one.permute(1, 2, 0).contiguous().numpy(), "RGB")
    return Image.fromarray(one[0].contiguous().numpy(), "L").convert("RGB")
