"""Whether the columns of Parquet files can be read as examples: asked at start, before any row is taken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from streamlearner.connectors.files.parquet_names import check_names
from streamlearner.errors import ConfigError

_BLOCK_ROWS = 512


def check_columns(files: Mapping[str, Any], *, image: str, label: str, task: str | None, topic: str) -> bool:
    """Whether the images are lists of numbers; False for bytes. `files` by their path.

    Raises ConfigError where a file lacks a column, or has names of a type that names nothing, where the files
    differ, and where not one row of all of
    them has an image, or a label: nothing could be learned.
    """
    kinds: dict[bool, str] = {}
    for path, file in files.items():
        schema = file.schema_arrow
        for column in filter(None, (image, label, task)):
            if column not in schema.names:
                raise ConfigError(
                    f"{topic}: no column {column!r} in {path}; it has {', '.join(schema.names)}"
                )
        for column in filter(None, (label, task)):
            check_names(schema.field(column).type, column=column, topic=topic)
        kinds.setdefault(holds_vectors(schema.field(image).type, column=image, topic=topic), path)
    if len(kinds) > 1:
        raise ConfigError(
            f"{topic}: column {image!r} holds lists of numbers in {kinds[True]} and bytes in {kinds[False]}; "
            "expected one kind: read them as two streams"
        )
    for column in (image, label):
        if empty := _empty(files, column):
            raise ConfigError(f"{topic}: column {column!r} {empty}: nothing could be learned")
    return True in kinds


def _empty(files: Mapping[str, Any], column: str) -> str:
    """How a column holds nothing that could be read, in words; empty where some row holds something."""
    rows = paths = 0
    for found in _blocks(files, column):
        if found is None:  # damaged: said when its turn comes, with the row
            return ""
        held = found.field("bytes") if _is_picture(found.type) else found
        if held.null_count < len(held):
            return ""
        rows += len(held)
        if _is_picture(found.type) and found.type.get_field_index("path") >= 0:
            paths += len(held) - found.field("path").null_count
    if paths:
        return (
            f"holds a path and no bytes in all of its {rows} rows, as is written of pictures that came from "
            "files; expected their bytes: write it again with the pictures in it (in `datasets`: "
            "Dataset.to_parquet after reading their bytes), or set source.files.format to image_folder"
        )
    return f"is null in all of its {rows} rows" if rows else "has no rows"


def _blocks(files: Mapping[str, Any], column: str) -> Iterator[Any]:
    """The column, some rows at a time; None where it cannot be read."""
    for file in files.values():
        for group in range(file.num_row_groups):
            try:
                for batch in file.iter_batches(_BLOCK_ROWS, row_groups=[group], columns=[column]):
                    yield batch.column(column)
            except (OSError, pa.ArrowException):
                yield None


def _is_picture(kind: Any) -> bool:
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def holds_vectors(kind: Any, *, column: str, topic: str) -> bool:
    """Whether the column holds lists of numbers; False for bytes; a ConfigError for anything else."""
    if _is_picture(kind):
        kind = kind.field("bytes").type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return False
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if is_list and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        return True
    raise ConfigError(
        f"{topic}: column {column!r} is {kind}; expected bytes, struct<bytes, path> or a list of numbers"
    )


def class_names(schema: parquet.ParquetSchema, column: str, *, topic: str) -> list[str]:
    """The names of the classes, from Hugging Face's metadata or a `<column>_names` list beside it."""
    metadata = {key.decode(): value for key, value in (schema.metadata or {}).items()}
    features = json.loads(metadata.get("huggingface", "{}")).get("info", {}).get("features", {})
    names = features.get(column, {}).get("names") if isinstance(features, dict) else None
    stem = column.removesuffix("label").removesuffix("_")
    for key in (f"{column}_names", f"{stem}_names", "names"):
        if names is None and key in metadata:
            names = json.loads(metadata[key])
    if not isinstance(names, list):
        raise ConfigError(
            f"{topic}: no class names for column {column!r} in the schema's metadata; set label_names off"
        )
    return [str(name) for name in names]
