"""Images coded and decoded as JPEG, a baseline that is not fitted to any data set."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_END_BYTES = 2
"""The marker that ends a file. Like the header it is the same for all images, and not counted."""


def coded_as_jpeg(images: Tensor, *, quality: int) -> tuple[Tensor, float]:
    """Decoded images [n, C, H, W] float32 in [0, 1], and the mean bits of one, without header and end marker.

    `images` [n, C, H, W] are in [0, 1]; C is 1 or 3. `quality` is Pillow's, 1 to 100.
    """
    pixels = (images * 255.0).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    decoded, total_bytes = torch.empty_like(images), 0
    for place, picture in enumerate(pixels):
        file = io.BytesIO()
        Image.fromarray(picture.squeeze(2) if picture.shape[2] == 1 else picture).save(
            file, "JPEG", quality=quality
        )
        total_bytes += len(file.getvalue()) - header_bytes(file.getvalue()) - _END_BYTES
        found = np.array(Image.open(file)).reshape(picture.shape)
        decoded[place] = torch.from_numpy(found).permute(2, 0, 1).float() / 255.0
    return decoded, 8.0 * total_bytes / len(images)


def header_bytes(file: bytes) -> int:
    """Bytes before the coded image: all segments up to the start of its scan (marker FFDA), inclusive."""
    end, marker = 2, 0
    while marker != 0xDA:
        marker = file[end + 1]
        end += 2 + int.from_bytes(file[end + 2 : end + 4], "big")
    return end
