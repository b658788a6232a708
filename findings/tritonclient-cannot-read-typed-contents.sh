#!/usr/bin/env bash
# tritonclient: its gRPC client cannot read an answer whose numbers stand in the message's own typed fields.
#
# Version: tritonclient 2.73.0 with numpy 2.4.6.
# Behaviour: the protocol of inference servers has two places for a tensor: bytes in `raw_output_contents`, or numbers
#   in `contents`. A server may use either. `as_numpy` of the client looks for the bytes only: where the numbers are
#   typed it makes an empty array and fails to give it its shape, a ValueError that names neither the field nor the
#   server. For strings it has a branch, which numpy 2 refuses. A server that is to be read by it answers raw.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   raw FP32: [1.0, 2.0]
#   typed FP32: ValueError: cannot reshape array of size 0 into shape (2,)
#   typed BYTES: ValueError: Unable to avoid copy while creating an array as requested.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "tritonclient[grpc]==2.73.0" numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import numpy as np
from tritonclient.grpc import InferResult, service_pb2


def response(datatype):
    message = service_pb2.ModelInferResponse(model_name="digits")
    return message, message.outputs.add(name="y", datatype=datatype, shape=[2])


def read(message):
    try:
        return InferResult(message).as_numpy("y").tolist()
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


raw, _ = response("FP32")
raw.raw_output_contents.append(np.array([1, 2], np.float32).tobytes())
typed, output = response("FP32")
output.contents.fp32_contents.extend([1, 2])
strings, output = response("BYTES")
output.contents.bytes_contents.extend([b"cat", b"dog"])
found = {"raw FP32": read(raw), "typed FP32": read(typed), "typed BYTES": read(strings)}
for name, outcome in found.items():
    print(f"{name}: {outcome}")
as_found = found["raw FP32"] == [1, 2] and found["typed FP32"].startswith("ValueError: cannot reshape")
as_found = as_found and found["typed BYTES"].startswith("ValueError")

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
