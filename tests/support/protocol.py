"""Compiles the definition of the Open Inference Protocol: `make proto`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from streamlearner.serving.open_inference.rpc_messages import COMPILED

FOLDER = Path(__file__).resolve().parents[2] / "streamlearner" / "serving" / "open_inference"
DEFINITION = "open_inference.proto"


def compiled() -> bytes:
    """A FileDescriptorSet of the definition, by grpcio-tools."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / COMPILED
        words = ["protoc", f"--proto_path={FOLDER}", f"--descriptor_set_out={out}", str(FOLDER / DEFINITION)]
        assert protoc.main(words) == 0
        return out.read_bytes()


if __name__ == "__main__":
    (FOLDER / COMPILED).write_bytes(compiled())
