#!/usr/bin/env bash
# zstandard and lz4: of two frames in a row one call returns the first, its neighbour both, a third refuses them.
#
# Version: zstandard 0.25.0, lz4 4.4.5, pyarrow 26.0.1.
# Behaviour: both formats say that frames may follow each other and decompress to the joined content; appending to a
#   file makes such data. The one-shot calls `zstandard.decompress` and `lz4.frame.decompress` return the first frame
#   and drop the rest without a word, zstandard's `read_to_iter` too; its `copy_stream`, and `open` of both packages,
#   return both. pyarrow's one-shot `decompress` takes two zstd frames and raises for two lz4 frames.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   zstandard.decompress      b'first half, '
#   zstandard read_to_iter    b'first half, '
#   zstandard copy_stream     b'first half, second half'
#   zstandard.open            b'first half, second half'
#   lz4.frame.decompress      b'first half, '
#   lz4.frame.open            b'first half, second half'
#   pyarrow.decompress, zstd  b'first half, second half'
#   pyarrow.decompress, lz4   OSError: Lz4 compressed input contains more than one frame
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check zstandard==0.25.0 lz4==4.4.5 pyarrow==26.0.1
"$folder/venv/bin/python" -I - <<'EOF'
import io

import lz4.frame
import pyarrow as pa
import zstandard

parts = b"first half, ", b"second half"
whole = b"".join(parts)
zstd = b"".join(zstandard.compress(part) for part in parts)
lz4s = b"".join(lz4.frame.compress(part) for part in parts)


def copied(data):
    target = io.BytesIO()
    zstandard.ZstdDecompressor().copy_stream(io.BytesIO(data), target)
    return target.getvalue()


def arrow(data, codec):
    try:
        return pa.decompress(data, len(whole), codec=codec, asbytes=True)
    except OSError as error:
        return f"OSError: {error}"


found = {
    "zstandard.decompress": zstandard.decompress(zstd),
    "zstandard read_to_iter": b"".join(zstandard.ZstdDecompressor().read_to_iter(io.BytesIO(zstd))),
    "zstandard copy_stream": copied(zstd),
    "zstandard.open": zstandard.open(io.BytesIO(zstd)).read(),
    "lz4.frame.decompress": lz4.frame.decompress(lz4s),
    "lz4.frame.open": lz4.frame.open(io.BytesIO(lz4s)).read(),
    "pyarrow.decompress, zstd": arrow(zstd, "zstd"),
    "pyarrow.decompress, lz4": arrow(lz4s, "lz4"),
}
for name, content in found.items():
    print(f"{name:25} {content}")
first = {"zstandard.decompress", "zstandard read_to_iter", "lz4.frame.decompress"}
refused = str(found.pop("pyarrow.decompress, lz4"))
as_found = all(content == (parts[0] if name in first else whole) for name, content in found.items())
as_found = as_found and "more than one frame" in refused

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
