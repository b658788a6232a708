"""What of the libraries' code stays in memory.

Loading torch runs 70 MiB of its libraries' code once: for the most part constructors that register operators.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

MAPPINGS = Path("/proc/self/smaps")
MADV_DONTNEED = 4
"""Of madvise(2), on Linux: the pages of a mapping are let go of, and read from its file again when used."""
_CODE = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \d+ +/.*\n"
    r"(?:.*\n)*?Rss: +(\d+) kB\n(?:.*\n)*?Anonymous: +(\d+) kB$",
    re.MULTILINE,
)
"""Begin, end, resident and anonymous KiB of code that came from a file."""


def unmap_loaded_code() -> int:
    """Lets go of the pages of code that came from files, and returns how many bytes they were. What is needed
    later comes back from the page cache, in microseconds for 16 pages. 0 where this is not Linux.

    Code with an anonymous page stays: somebody changed it (a debugger's breakpoint), so that it is not what
    the file has.
    """
    advise, found = getattr(ctypes.CDLL(None), "madvise", None), 0
    if advise is None or not MAPPINGS.exists():
        return 0
    for begin, end, resident, changed in _CODE.findall(MAPPINGS.read_text()):
        where, size = int(begin, 16), int(end, 16) - int(begin, 16)
        if changed == "0" and not advise(ctypes.c_void_p(where), ctypes.c_size_t(size), MADV_DONTNEED):
            found += int(resident) * 1024
    return found
