"""Bytes to messages and back: `[envelope, body, body, …]`, with the version and the limits of the wire.

The envelope is the MessagePack array `[major, minor, tag, request id]`; the body is the message as a
MessagePack map of its fields, cut into frames. The client decodes with `decode_body`; the daemon, which reads
bytes of strangers, decodes the same dataclasses with a typed decoder of its own.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, cast

import msgpack

from artifactd.protocol.errors import InvalidRequest, ProtocolMismatch
from artifactd.protocol.messages import TAGS, Message

__all__ = [
    "MAJOR",
    "MAX_FRAME",
    "MAX_FRAMES",
    "MINOR",
    "Envelope",
    "check_major",
    "decode_body",
    "decode_envelope",
    "encode",
    "pack_body",
]

MAJOR = 1
MINOR = 0

MAX_FRAME = 256 << 10
"""Bytes in one frame; also what the daemon's socket accepts at most."""
MAX_FRAMES = 8
"""Frames of one body: room for 1 MiB of metadata beside the rest."""
MAX_ENVELOPE = 64
REQUEST_ID_BYTES = 16

_TAG_OF = {cls: tag for tag, cls in TAGS.items()}


@dataclass(frozen=True, slots=True)
class Envelope:
    """Version, tag and request id of one message. `tag` may be one that this side does not know."""

    major: int
    minor: int
    tag: int
    request_id: bytes


def encode(message: Message, request_id: bytes, *, max_frames: int = MAX_FRAMES) -> list[bytes]:
    """The frames of one message. Raises `InvalidRequest` when it exceeds the limits of the wire."""
    tag = _TAG_OF[type(message)]
    body = pack_body(message)
    frames = [body[start : start + MAX_FRAME] for start in range(0, len(body), MAX_FRAME)]
    if len(frames) > max_frames:
        raise InvalidRequest(f"{type(message).__name__} of {len(body)} bytes exceeds the wire's limit")
    return [msgpack.packb((MAJOR, MINOR, tag, request_id)), *frames]


def pack_body(message: Message) -> bytes:
    """The message as a MessagePack map. Fields that have their default are left out, so that a release which

    knows more fields makes the same bytes of the same message.
    """
    return cast(bytes, msgpack.packb(_as_map(message)))


def _as_map(message: Any) -> dict[str, Any]:
    return {
        field.name: _plain(value)
        for field in fields(message)
        if (value := getattr(message, field.name)) != field.default
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return _as_map(value) if is_dataclass(value) else value


def decode_envelope(frame: bytes) -> Envelope:
    """Read an envelope of any version, or raise `InvalidRequest`; then see `check_major`."""
    try:
        if len(frame) > MAX_ENVELOPE:
            raise ValueError("too long")
        major, minor, tag, request_id = msgpack.unpackb(frame, max_array_len=4, max_map_len=0, max_ext_len=0)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise InvalidRequest(f"malformed envelope: {error}") from error
    if not all(isinstance(number, int) for number in (major, minor, tag)) or (
        not isinstance(request_id, bytes) or len(request_id) != REQUEST_ID_BYTES
    ):
        raise InvalidRequest("malformed envelope")
    return Envelope(major, minor, tag, request_id)


def check_major(envelope: Envelope) -> None:
    """Raise `ProtocolMismatch` unless the sender speaks our major version."""
    if envelope.major != MAJOR:
        raise ProtocolMismatch(
            f"protocol {envelope.major}.{envelope.minor} is not spoken here, only {MAJOR}.x",
            remedy="install the same artifactd release on both sides",
        )


def decode_body(tag: int, frames: Sequence[bytes]) -> Message:
    """Build the message of `tag`. Unknown fields are dropped; raises `InvalidRequest` for anything else."""
    cls = TAGS.get(tag)
    if cls is None:
        raise InvalidRequest(f"unknown message tag {tag}")
    try:
        return cast(Message, _structure(cls, msgpack.unpackb(b"".join(frames))))
    except (ValueError, TypeError, KeyError, RecursionError, msgpack.UnpackException) as error:
        raise InvalidRequest(f"malformed {cls.__name__}: {error!r}") from error


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _structure(hint: Any, value: Any) -> Any:
    """Check `value` against a field's annotation and build the nested dataclasses and tuples it names."""
    if hint is Any:
        return value
    if is_dataclass(hint):
        cls = cast(type, hint)
        if not isinstance(value, dict):
            raise TypeError(f"expected a map, got {type(value).__name__}")
        known = {
            field.name: _structure(_hints(cls)[field.name], value[field.name])
            for field in fields(hint)
            if field.name in value or (field.default is MISSING and field.default_factory is MISSING)
        }
        return cls(**known)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else _structure(arguments[0], value)
    if origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"expected an array, got {type(value).__name__}")
        inner = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_structure(item, element) for item, element in zip(inner, value, strict=True))
    expected = origin or hint
    if expected is float and isinstance(value, int):
        return float(value)
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise TypeError(f"expected {expected.__name__}, got {type(value).__name__}")
    return value
