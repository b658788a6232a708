#!/usr/bin/env bash
# Pillow: a 16-bit picture keeps its upper byte if it is in colour, and is cut off at 255 if it is grey.
#
# Version: Pillow 13.0.0.
# Behaviour: two PNG files hold the same ramp of 16-bit values, one as grey, one as RGB. Opened and converted to "L",
#   the colour one is divided by 256, as one expects. The grey one, which opens as "I;16", is clipped: every value
#   above 255, so all but the darkest 256th of the range, becomes white. Depth maps, X-rays and microscopy come as
#   such files, and `convert("L")` or `convert("RGB")` is the first line of most loaders; no warning is given. 16-bit
#   TIFF and JPEG 2000 do the same.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   16-bit values               [0, 100, 255, 256, 25600, 65535]
#   PNG, RGB, mode RGB          [0, 0, 0, 1, 100, 255]
#   PNG, grey, mode I;16        [0, 100, 255, 255, 255, 255]
#   TIFF, grey, mode I;16       [0, 100, 255, 255, 255, 255]
#   JPEG 2000, grey, mode I;16  [0, 100, 255, 255, 255, 255]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import io
import struct
import zlib

import numpy as np
from PIL import Image

ramp = np.array([[0, 100, 255, 256, 25_600, 65_535]], np.uint16)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def colour_png(values):
    """Pillow writes no 16-bit RGB itself."""
    height, width = values.shape
    lines = b"".join(b"\0" + np.repeat(line, 3).astype(">u2").tobytes() for line in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def saved(name):
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, name)
    return file.getvalue()


found = {}
print(f"{'16-bit values':27}", ramp[0].tolist())
for name, data in (
    ("PNG, RGB", colour_png(ramp)),
    ("PNG, grey", saved("PNG")),
    ("TIFF, grey", saved("TIFF")),
    ("JPEG 2000, grey", saved("JPEG2000")),
):
    picture = Image.open(io.BytesIO(data))
    found[name] = np.asarray(picture.convert("L"))[0].tolist()
    print(f"{name + ', mode ' + picture.mode:27}", found[name])
clipped = np.minimum(ramp[0], 255).tolist()
as_found = found.pop("PNG, RGB") == (ramp[0] // 256).tolist() and all(grey == clipped for grey in found.values())

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
