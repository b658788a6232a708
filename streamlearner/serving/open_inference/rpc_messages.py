"""The protobuf messages of the protocol, from the compiled definition that lies beside this file.

Not the stubs that grpcio-tools writes: they enter the one pool of the process, where no two files may define
`inference.ModelInferRequest`. tritonclient, kserve and mlserver all do, so that a program with one of them
and the daemon would not start. These live in a pool of their own.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

COMPILED = "open_inference.binpb"
SERVICE = "inference.GRPCInferenceService"


class Messages:
    """Makes messages by name: `new("ModelInferResponse", id="a")`."""

    def __init__(self) -> None:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # of the extra `grpc`

        self._class_of = message_factory.GetMessageClass
        self._pool = descriptor_pool.DescriptorPool()
        compiled = resources.files("streamlearner.serving.open_inference").joinpath(COMPILED).read_bytes()
        for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
            self._pool.Add(file)

    def new(self, name: str, /, **fields: Any) -> Any:
        """A message of that name."""
        return self._class_of(self._pool.FindMessageTypeByName(f"inference.{name}"))(**fields)

    def methods(self) -> dict[str, tuple[Any, Any]]:
        """The classes of request and response of each method of the service."""
        return {
            method.name: (self._class_of(method.input_type), self._class_of(method.output_type))
            for method in self._pool.FindServiceByName(SERVICE).methods
        }
