"""Why a message could not become an example."""

from __future__ import annotations

REASONS = (
    "empty",  # no bytes, or no inputs
    "too_large",  # more bytes than Limits.message_bytes
    "headers",  # missing, contradictory or unreadable headers
    "content_type",  # a format that is not spoken here
    "json",  # not JSON, or not a map with an input
    "msgpack",  # not MessagePack, or not a map with an input
    "envelope",  # an event that is none, or holds nothing
    "record",  # bytes that do not fit their schema, or a record with no input
    "registry",  # a schema that the registry does not know or cannot tell
    "image",  # not a readable still PNG, JPEG, WebP or TIFF
    "pixels",  # more pixels than Limits.pixels
    "shape",  # not d, HxW or HxWxC; ragged; other than the bytes that follow
    "dtype",  # not uint8, float32 or float64
    "value",  # NaN, infinity, out of range, not numbers
    "label",
    "task",
    "id",
    "erase",  # an erasure that does not say by what, or of what
    "schema",  # well formed, but of another shape or dtype than this stream's
    "classes",  # one class more than limits.max_classes; found by the intake, which knows the classes so far
    "tasks",  # one task more than limits.max_tasks
    "learning_failed",  # learning it failed again and again; found by the daemon
)
"""Every reason a Reject or InvalidInput can carry (a metric label: keep it small)."""
