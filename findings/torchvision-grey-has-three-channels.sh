#!/usr/bin/env bash
# torchvision: asked for a grey picture, its decoder returns three channels for WebP and GIF.
#
# Version: torchvision 0.29.1 with torch 2.14.1; Pillow 13.0.0 makes the files. Installs the whole of torch: minutes.
# Behaviour: `decode_image(data, mode="GRAY")` is what a loader of mixed files uses to have one channel. PNG and JPEG
#   come back as one channel, WebP as three with a warning on standard error, GIF as three without one; `RGB_ALPHA` of
#   a GIF has three as well. So the shape depends on the format of the file, and the first WebP in a folder breaks a
#   batch, or is broadcast.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   channels for mode GRAY:      {'PNG': 1, 'JPEG': 1, 'WEBP': 3, 'GIF': 3}
#   channels for mode RGB_ALPHA: {'PNG': 4, 'WEBP': 4, 'GIF': 3}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 Pillow==13.0.0 \
  numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import io

import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_image

pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


def channels(name, mode, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, name, **options)
    data = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)
    return decode_image(data, mode=mode).shape[0]


grey = {name: channels(name, ImageReadMode.GRAY) for name in ("PNG", "JPEG", "WEBP", "GIF")}
alpha = {name: channels(name, ImageReadMode.RGB_ALPHA) for name in ("PNG", "WEBP", "GIF")}
print("channels for mode GRAY:     ", grey)
print("channels for mode RGB_ALPHA:", alpha)
as_found = grey == {"PNG": 1, "JPEG": 1, "WEBP": 3, "GIF": 3} and alpha == {"PNG": 4, "WEBP": 4, "GIF": 3}

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
