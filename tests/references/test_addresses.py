"""Which addresses lead where: every disguise of the dangerous ones is seen through."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactd.daemon.references.addresses import Reach, reach_of

KINDS = {
    Reach.PUBLIC: ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"],
    Reach.PRIVATE: ["127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1",
                    "100.64.0.1", "fc00::1", "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "198.18.0.1"],
    Reach.METADATA: ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "100.100.100.200",
                     "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::169.254.169.254", "fd00:ec2::254",
                     "2002:a9fe:a9fe::1", "192.0.0.192", "fd20:ce::254", "168.63.129.16"],
    Reach.NOWHERE: ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "240.0.0.1",
                    "255.255.255.255", "localhost", "", "1.2.3", "0xa9fea9fe"],
}  # fmt: skip


@pytest.mark.parametrize(("reach", "address"), [(kind, each) for kind, all in KINDS.items() for each in all])
def test_an_address_is_of_its_kind(reach: Reach, address: str) -> None:
    assert reach_of(address) is reach


link_local = st.integers(0, 0xFFFF).map(lambda low: IPv4Address(0xA9FE0000 + low))


@given(link_local)
def test_no_tunnel_hides_a_link_local_address(address: IPv4Address) -> None:
    number = int(address)
    for start in ("::ffff:0:0", "64:ff9b::", "::"):
        assert reach_of(str(IPv6Address(int(IPv6Address(start)) + number))) is Reach.METADATA
    assert reach_of(str(IPv6Address((0x2002 << 112) | (number << 80)))) is Reach.METADATA


@given(link_local, st.sampled_from(["{0}", "{0:#x}", "{0:#o}", "dotted"]))
def test_no_way_of_writing_hides_a_link_local_address(address: IPv4Address, form: str) -> None:
    """What a resolver makes of decimal, octal and hexadecimal forms is what is judged."""
    number = int(address)
    octets = [number >> shift & 0xFF for shift in (24, 16, 8, 0)]
    text = (
        ".".join(f"0{octet:o}" for octet in octets) if form == "dotted" else form.format(number).replace("0o", "0")
    )
    found = socket.getaddrinfo(text, 80, type=socket.SOCK_STREAM)
    assert {reach_of(str(info[4][0])) for info in found} == {Reach.METADATA}
