"""Withheld images in so many bytes each, compressed with loss: raw, an exam has no place for large ones."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

QUALITIES = (90, 75, 60, 45, 30, 15, 0)
LENGTH_BYTES = 4
LARGEST_SIDE = 16_383  # of WebP


class ImageCode:
    """WebP of the best quality that fits into `code_bytes`, and where none does of the image at half its
    size, and so on. A code is the length of the file (uint32, little-endian), the file, and zeros.

    Images [C, H, W] uint8 of other than three channels are stored channel under channel, in grey.
    """

    def __init__(self, *, shape: tuple[int, ...], code_bytes: int) -> None:
        self.shape = shape
        self.code_bytes = code_bytes

    def encode(self, image: Tensor) -> NDArray[np.uint8]:
        """[code_bytes]."""
        file = self._file(self._picture(image.numpy()))
        code = np.zeros(self.code_bytes, np.uint8)
        code[:LENGTH_BYTES] = np.array([len(file)], "<u4").view(np.uint8)
        code[LENGTH_BYTES : LENGTH_BYTES + len(file)] = np.frombuffer(file, np.uint8)
        return code

    def decode(self, codes: NDArray[np.uint8]) -> Tensor:
        """Codes [n, code_bytes] to images [n, C, H, W]."""
        import PIL.Image  # once it is used: few exams are of images in a code

        images = torch.empty(len(codes), *self.shape, dtype=torch.uint8)
        for image, code in zip(images, codes, strict=True):
            length = int(code[:LENGTH_BYTES].copy().view("<u4")[0])
            picture = PIL.Image.open(BytesIO(code[LENGTH_BYTES : LENGTH_BYTES + length].tobytes()))
            image.copy_(torch.from_numpy(self._array(picture)))
        return images

    def _file(self, picture: Image) -> bytes:
        import PIL.Image

        sizes = ((max(1, picture.width >> half), max(1, picture.height >> half)) for half in range(32))
        for size in sizes:
            if max(size) > LARGEST_SIDE:
                continue
            shown = picture if size == picture.size else picture.resize(size, PIL.Image.Resampling.BOX)
            for quality in QUALITIES:
                file = BytesIO()
                shown.save(file, "WEBP", quality=quality)
                if file.tell() + LENGTH_BYTES <= self.code_bytes:
                    return file.getvalue()
        raise ValueError(f"no image fits into {self.code_bytes} bytes")

    def _picture(self, array: NDArray[np.uint8]) -> Image:
        import PIL.Image

        if len(array) == 3:
            return PIL.Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)))
        return PIL.Image.fromarray(array.reshape(-1, array.shape[2]))

    def _array(self, picture: Image) -> NDArray[np.uint8]:
        import PIL.Image

        channels, height, width = self.shape
        coloured = channels == 3
        size = (width, height if coloured else channels * height)
        shown = picture.convert("RGB" if coloured else "L")
        if shown.size != size:
            shown = shown.resize(size, PIL.Image.Resampling.BILINEAR)
        array = np.array(shown)
        return array.transpose(2, 0, 1) if coloured else array.reshape(self.shape)
