"""Both decoders, the client's and the daemon's, on the same bytes: right ones, newer ones and hostile ones."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, get_args, get_origin, get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactd.daemon.ipc import wire
from artifactd.protocol import codec, messages
from artifactd.protocol.errors import InvalidRequest, ProtocolMismatch

ID = b"r" * 16


def build(cls: Any) -> Any:
    """A strategy for one message class, from its annotations."""
    hints = get_type_hints(cls)
    return st.builds(cls, **{field.name: values(hints[field.name]) for field in fields(cls)})


def values(hint: Any) -> Any:
    if hint is Any:
        return st.none() | st.text() | st.integers(-(2**60), 2**60)
    if is_dataclass(hint):
        return build(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(values(arguments[0]), max_size=3).map(tuple)
        return st.tuples(*map(values, arguments))
    if origin is dict:
        return st.dictionaries(st.text(), values(arguments[1]), max_size=3)
    if type(None) in arguments:
        return st.none() | values(arguments[0])
    return {
        str: st.text(),
        int: st.integers(-(2**60), 2**60),
        bytes: st.binary(max_size=40),
        bool: st.booleans(),
        float: st.floats(allow_nan=False),
    }[hint]


@pytest.mark.parametrize("cls", messages.TAGS.values(), ids=lambda cls: cls.__name__)
def test_every_message_survives_the_wire_in_both_directions(cls: Any) -> None:
    @given(build(cls))
    def check(message: Any) -> None:
        head, *body = codec.encode(message, ID)
        envelope = codec.decode_envelope(head)
        assert envelope.request_id == ID
        assert codec.decode_body(envelope.tag, body) == message
        assert wire.decode(envelope.tag, body) == message

    check()


def test_no_two_messages_share_a_tag_and_every_message_has_one() -> None:
    assert len(set(messages.TAGS.values())) == len(messages.TAGS)
    assert set(get_args(messages.Message)) == set(messages.TAGS.values())


@pytest.mark.parametrize("decode", [codec.decode_body, wire.decode])
def test_a_field_of_a_newer_release_is_ignored(decode: Any) -> None:
    body = msgpack.packb({"client_version": "9", "features": [], "colour": {"red": [1]}})
    assert decode(1, [body]) == messages.Hello(client_version="9")


@pytest.mark.parametrize("decode", [codec.decode_body, wire.decode])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgpack.packb([]),
        msgpack.packb({}),
        msgpack.packb({"client_version": 3}),
        msgpack.packb({"client_version": "1", "features": "abc"}),
        msgpack.packb({"client_version": "1", "features": [1]}),
        b"\x91" * 100_000,
        b"\x81\xa1a" * 50_000,
        msgpack.packb({"client_version": "1"}) + b"x",
    ],
)
def test_a_body_that_does_not_fit_is_refused(decode: Any, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode(1, [body])


@pytest.mark.parametrize("decode", [codec.decode_body, wire.decode])
def test_an_unknown_tag_is_refused(decode: Any) -> None:
    with pytest.raises(InvalidRequest, match="99"):
        decode(99, [b"\x80"])


def test_a_message_over_the_limit_is_refused_before_it_is_sent() -> None:
    message = messages.Hello(client_version="x" * (codec.MAX_FRAME * codec.MAX_FRAMES))
    with pytest.raises(InvalidRequest, match="limit"):
        codec.encode(message, ID)
    frames = codec.encode(replace(message, client_version="x" * codec.MAX_FRAME * 2), ID)
    assert max(map(len, frames)) == codec.MAX_FRAME


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        msgpack.packb([1, 0, 1]),
        msgpack.packb(["1", 0, 1, ID]),
        msgpack.packb([1, 0, 1, ID[:4]]),
        msgpack.packb([1, 0, 1, "r" * 16]),
        msgpack.packb([1, 0, 1, ID, 1]),
        msgpack.packb({"a": 1}),
        b"x" * 100,
        b"\x94" * 60,
    ],
)
def test_a_malformed_envelope_is_refused(frame: bytes) -> None:
    with pytest.raises(InvalidRequest, match="envelope"):
        codec.decode_envelope(frame)


def test_another_major_is_refused_by_name_and_another_minor_is_not() -> None:
    newer = codec.decode_envelope(msgpack.packb([codec.MAJOR + 1, 7, 1, ID]))
    with pytest.raises(ProtocolMismatch, match=f"protocol {codec.MAJOR + 1}.7"):
        codec.check_major(newer)
    codec.check_major(codec.decode_envelope(msgpack.packb([codec.MAJOR, 99, 1, ID])))


def test_every_field_added_later_can_have_a_default() -> None:
    """A request of an older client lacks newer fields: they must not be required. Guards the style, not a bug."""
    for cls in messages.TAGS.values():
        for field in fields(cls):
            assert field.kw_only or field.default is not MISSING
