"""Which addresses a name may lead to: pure.

Link-local addresses and the clouds' metadata services hand out credentials to whoever can reach them, and a
private network is not everybody's business: neither is to be reached by having the daemon look it up.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

__all__ = ["Reach", "reach_of"]


class Reach(Enum):
    """What kind of place an address is."""

    PUBLIC = "public"
    PRIVATE = "private or loopback"
    METADATA = "link-local or a metadata service"
    NOWHERE = "not an address of one host"


_METADATA = (
    ip_network("169.254.0.0/16"),
    ip_network("fe80::/10"),
    ip_network("fd00:ec2::254/128"),
    ip_network("fd20:ce::254/128"),
    ip_network("100.100.100.200/32"),
    ip_network("168.63.129.16/32"),
    ip_network("192.0.0.192/32"),
)
_SHARED = ip_network("100.64.0.0/10")
_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")


def reach_of(address: str) -> Reach:
    """The kind of a numeric address; one that is not understood leads nowhere."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return Reach.NOWHERE
    return _reach(_embedded(found) or found)


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a translator or tunnel makes of an IPv6 address."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _reach(address: IPv4Address | IPv6Address) -> Reach:
    if any(address in network for network in _METADATA):
        return Reach.METADATA
    if address.is_unspecified or address.is_multicast or (address.version == 4 and int(address) < 1 << 24):
        return Reach.NOWHERE
    if address.is_loopback or (address.version == 4 and address in _SHARED):
        return Reach.PRIVATE
    if address.is_reserved:
        return Reach.NOWHERE
    return Reach.PUBLIC if address.is_global else Reach.PRIVATE
