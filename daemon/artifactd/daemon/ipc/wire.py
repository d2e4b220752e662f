"""Typed decoding of what strangers send. A body that does not fit its message's type is refused at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.messages import TAGS, Message

__all__ = ["decode"]

_DECODERS: dict[int, msgspec.msgpack.Decoder[Any]] = {
    tag: msgspec.msgpack.Decoder(cls) for tag, cls in TAGS.items()
}


def decode(tag: int, frames: Sequence[bytes]) -> Message:
    """Build the message of `tag` from its body frames, or raise `InvalidRequest`."""
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise InvalidRequest(
            f"this daemon does not know requests of kind {tag}",
            remedy="upgrade the daemon to the client's release",
        )
    try:
        message: Message = decoder.decode(frames[0] if len(frames) == 1 else b"".join(frames))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"malformed {TAGS[tag].__name__}: {error}") from error
    return message
