#!/usr/bin/env bash
# webdataset: samples whose keys hold a dot are written apart and read as one.
#
# Version: webdataset 1.0.2.
# Behaviour: the writer takes any key. The reader ends the key at the first dot of the name: samples called by a time
#   with fractions of a second, or by a version, become one sample for each whole second, with fields such as
#   `250.cls` and `500.cls`. The count shrinks, nothing is raised, and a pipeline that asks for `cls` finds none or
#   the wrong one.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   3 samples written: 1764000000.250 1764000000.500 1764000001.000
#   2 samples read:
#     {'__key__': '1764000000', '250.cls': b'0', '500.cls': b'1'}
#     {'__key__': '1764000001', '000.cls': b'2'}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check webdataset==1.0.2 numpy==2.4.6
HERE="$folder" "$folder/venv/bin/python" -I - <<'EOF'
import os

import webdataset

path = os.environ["HERE"] + "/shard.tar"
keys = ["1764000000.250", "1764000000.500", "1764000001.000"]
with webdataset.TarWriter(path) as writer:
    for number, key in enumerate(keys):
        writer.write({"__key__": key, "cls": number})
samples = list(webdataset.WebDataset(path, shardshuffle=False))
print(len(keys), "samples written:", *keys)
print(len(samples), "samples read:")
for sample in samples:
    print(" ", {name: value for name, value in sample.items() if name in ("__key__",) or name.endswith("cls")})
as_found = [sample["__key__"] for sample in samples] == ["1764000000", "1764000001"]
as_found = as_found and "500.cls" in samples[0] and "250.cls" in samples[0]

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
