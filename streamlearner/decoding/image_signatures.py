"""How the files of images begin that are read; Pillow is only imported for one that is decoded."""

from __future__ import annotations

from typing import Final

PNG: Final = b"\x89PNG\r\n\x1a\n"
JPEG: Final = b"\xff\xd8\xff"
RIFF: Final = b"RIFF"
"""WebP, and other kinds that are refused."""
TIFF: Final = (b"II*\0", b"MM\0*")
SIGNATURES: Final = (PNG, JPEG, RIFF, *TIFF)
