#!/usr/bin/env bash
# datasets: a Parquet file of pictures may hold no picture, only the paths that they had on the writer's machine.
#
# Version: datasets 5.2.0, Pillow 13.0.0, pyarrow 26.0.1.
# Behaviour: a column of file names cast to `Image` and written with `to_parquet` has `bytes` null and the absolute
#   path in every row; the same data through `save_to_disk` has the bytes, and pictures made in memory have them
#   either way. On the machine that wrote it the file reads perfectly. Where the folder is gone it opens, counts its
#   rows, and fails at the first picture.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   made in memory, to_parquet:    bytes
#   from files, save_to_disk:      bytes, a path
#   from files, to_parquet:        no bytes, a path
#   read again without the files: 3 rows; the first picture: FileNotFoundError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 Pillow==13.0.0 pyarrow==26.0.1 \
  numpy==2.4.6
HF_HUB_OFFLINE=1 HERE="$folder" HF_HOME="$folder/home" "$folder/venv/bin/python" -I - <<'EOF'
import os
import tempfile

import numpy as np
import pyarrow.parquet as pq
from datasets import Dataset, Features, Image, load_from_disk
from datasets.utils.logging import disable_progress_bar
from PIL import Image as Picture

disable_progress_bar()
folder = tempfile.mkdtemp(dir=os.environ["HERE"])
files = [f"{folder}/{number}.png" for number in range(3)]
pictures = [Picture.fromarray(np.full((4, 4), 80 * number, np.uint8)) for number in range(3)]
for file, picture in zip(files, pictures, strict=True):
    picture.save(file)
of_files = Dataset.from_dict({"image": files}).cast_column("image", Image())
of_memory = Dataset.from_dict({"image": pictures}, features=Features({"image": Image()}))


def held(rows):
    kinds = {("bytes" if row["bytes"] else "no bytes") + (", a path" if row["path"] else "") for row in rows}
    return ", ".join(sorted(kinds))


def in_parquet(dataset):
    dataset.to_parquet(f"{folder}/images.parquet")
    return held(pq.read_table(f"{folder}/images.parquet")["image"].to_pylist())


memory, parquet = in_parquet(of_memory), in_parquet(of_files)
of_files.save_to_disk(f"{folder}/saved")
saved = held(load_from_disk(f"{folder}/saved").data.table["image"].to_pylist())
for file in files:
    os.remove(file)
again = Dataset.from_parquet(f"{folder}/images.parquet", cache_dir=f"{folder}/cache")
try:
    read = again[0]["image"].size
except Exception as error:
    read = type(error).__name__
print("made in memory, to_parquet:   ", memory)
print("from files, save_to_disk:     ", saved)
print("from files, to_parquet:       ", parquet)
print(f"read again without the files: {len(again)} rows; the first picture: {read}")
as_found = parquet == "no bytes, a path" and memory == "bytes" and saved.startswith("bytes") and read == "FileNotFoundError"

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
