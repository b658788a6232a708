"""Records in Protobuf."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message as ProtobufMessage

from streamlearner.decoding.schema_registry.client import RegisteredSchema, UnknownSchema
from streamlearner.decoding.schema_registry.framing import Frame
from streamlearner.errors import InvalidInput

_GOOGLE: Final = "google/protobuf/"
_FILE: Final = "schema.proto"
_WRAPPERS: Final = "google.protobuf."


class ProtobufFormat:
    """Reads the records of one schema, a file of messages. Raises `UnknownSchema` for one that cannot be
    read."""

    def __init__(self, schema: RegisteredSchema) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        self._added: set[str] = set()
        self._classes: dict[tuple[int, ...], Any] = {}
        try:
            for reference in schema.references:
                self._add(_file(reference.text), name=reference.name)
            self._file = _file(schema.text)
            self._add(self._file, name=self._file.name or _FILE)
        except Exception as error:  # of a descriptor that is none: TypeError, DecodeError, KeyError
            raise UnknownSchema(f"no Protobuf schema: {type(error).__name__}: {str(error)[:200]}") from None

    def _add(self, file: descriptor_pb2.FileDescriptorProto, *, name: str) -> None:
        if name in self._added:
            return
        self._added.add(name)
        for needed in file.dependency:
            if needed.startswith(_GOOGLE) and needed not in self._added:
                self._add(_google(needed), name=needed)
        file.name = name
        self._pool.Add(file)

    def read(self, frame: Frame) -> Mapping[str, Any]:
        """Raises `InvalidInput("record")` for bytes that do not fit the schema."""
        indexes, payload = frame.split()
        message = self._class(indexes)()
        try:
            message.ParseFromString(payload)
        except Exception as error:  # DecodeError; of a version in pure Python also others
            found = f"{type(error).__name__}: {str(error)[:120]}"
            raise InvalidInput("record", f"bytes do not fit their Protobuf schema ({found})") from None
        record: Mapping[str, Any] = _record(message)
        return record

    def _class(self, indexes: tuple[int, ...]) -> Any:
        found = self._classes.get(indexes)
        if found is None:
            names = [self._file.package] if self._file.package else []
            messages: Any = self._file.message_type
            for index in indexes:
                if not 0 <= index < len(messages):
                    raise InvalidInput("record", f"no message {list(indexes)} in the Protobuf schema")
                names.append(messages[index].name)
                messages = messages[index].nested_type
            descriptor = self._pool.FindMessageTypeByName(".".join(names))
            found = self._classes[indexes] = message_factory.GetMessageClass(descriptor)
        return found


def _file(text: str) -> descriptor_pb2.FileDescriptorProto:
    return descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text))


def _google(name: str) -> descriptor_pb2.FileDescriptorProto:
    """One of the files that come with Protobuf."""
    import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    file = descriptor_pb2.FileDescriptorProto()
    descriptor_pool.Default().FindFileByName(name).CopyToProto(file)
    return file


def _record(message: ProtobufMessage) -> Any:
    """A map by the names of the fields; None for one that can be absent and is. A wrapper of Google's is the
    value in it, a point in time its text."""
    descriptor = message.DESCRIPTOR
    if descriptor.full_name.startswith(_WRAPPERS):
        if [field.name for field in descriptor.fields] == ["value"]:
            return getattr(message, "value")  # noqa: B009
        if hasattr(message, "ToJsonString"):
            return message.ToJsonString()
    return {field.name: _value(message, field) for field in descriptor.fields}


def _value(message: ProtobufMessage, field: Any) -> Any:
    if field.has_presence and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        inner = kind.fields_by_name["value"]
        return {str(key): _one(value[key], inner) for key in value}
    if field.is_repeated:
        return [_one(each, field) for each in value]
    return _one(value, field)


def _one(value: Any, field: Any) -> Any:
    if field.message_type is not None:
        return _record(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    return value
