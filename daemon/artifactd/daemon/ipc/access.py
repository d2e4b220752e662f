"""Who asks, as the kernel says, and what they may do."""

from __future__ import annotations

import os
from dataclasses import dataclass

from artifactd.protocol.errors import Denied

__all__ = ["Peer", "admit"]


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end of the socket. Nothing in a message can change it."""

    uid: int
    pid: int
    """For display only: it may be of another pid namespace."""


def admit(address: str) -> Peer:
    """Read libzmq's `host:UID:GID:PID` and let in only the user whom this daemon serves: its own."""
    parts = address.split(":")
    if len(parts) != 4 or not all(part.isdigit() for part in parts[1:]):
        raise Denied("the kernel did not say who is calling")
    peer = Peer(uid=int(parts[1]), pid=int(parts[3]))
    if peer.uid != os.geteuid():
        raise Denied(f"this daemon serves only user {os.geteuid()}, not user {peer.uid}")
    return peer
