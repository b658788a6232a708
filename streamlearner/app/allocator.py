"""How this process keeps freed memory.

A training step frees and allocates megabytes, step after step. By default the C library gives them back to
the system each time and takes them again, page by page: on one machine a LeNet step took 12.5 ms of processor
time so, and 8.5 ms with the thresholds below.
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameter numbers of glibc's mallopt(3)."""
KEEP_BYTES = 1 << 30
PAD_BYTES = 64 << 20


def keep_freed_memory() -> bool:
    """Asks the C library to keep up to a gigabyte of what is freed; False where it is not glibc and nothing
    changed."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((M_MMAP_THRESHOLD, KEEP_BYTES), (M_TRIM_THRESHOLD, KEEP_BYTES), (M_TOP_PAD, PAD_BYTES))
    return all([mallopt(number, value) == 1 for number, value in settings])
