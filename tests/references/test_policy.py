"""Who may have what looked up."""

from __future__ import annotations

import os

import pytest

from artifactd.daemon.references.base import Asker
from artifactd.daemon.references.policy import Policy
from artifactd.protocol.errors import Denied

OWN = Asker(os.geteuid(), "team")
OTHER = Asker(os.geteuid() + 1, "team")
METADATA = "169.254.169.254"


def policy(*allow: str) -> Policy:
    return Policy(allow, {"team": ("shared", "home")}, "s3://home/artifacts")


@pytest.mark.parametrize(
    ("address", "own", "other"),
    [("8.8.8.8", True, True), ("10.0.0.1", True, False), ("127.0.0.1", True, False), (METADATA, False, False)],
)
def test_private_networks_are_the_daemons_own_users(address: str, own: bool, other: bool) -> None:
    assert (not policy().objection("http://host/x", address, OWN)) is own
    assert (not policy().objection("http://host/x", address, OTHER)) is other


@pytest.mark.parametrize(
    ("pattern", "url", "matches"),
    [
        ("http://169.254.169.254", "http://169.254.169.254/latest", True),
        ("http://169.254.169.254/latest/*", "http://169.254.169.254/latest/a?q=1", True),
        ("http://169.254.169.254/latest/*", "http://169.254.169.254/secret", False),
        ("http://169.254.169.254/latest/*", "http://169.254.169.254/latest/../secret", False),
        ("http://169.254.169.254/latest/*", "http://169.254.169.254/latest/%2e%2e/secret", False),
        ("http://*/latest/*", "http://evil/x/latest/y", False),
        ("http://*.example:8080", "http://data.example:8080/x", True),
        ("http://*.example", "http://data.example:8080/x", False),
        ("http://data.example", "http://DATA.example:80/x", True),
        ("https://data.example", "http://data.example/x", False),
        ("*://data.example", "https://data.example:443/x", True),
    ],
)
def test_the_administrators_patterns_open_what_they_name(pattern: str, url: str, matches: bool) -> None:
    assert (not policy(pattern).objection(url, METADATA, OTHER)) is matches


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255"])
def test_no_pattern_opens_what_is_no_host(address: str) -> None:
    assert policy("*://*").objection("http://host/x", address, OWN)


def test_another_user_gets_only_the_buckets_of_his_entity() -> None:
    policy().check_bucket("s3", "any", "key", OWN)
    policy().check_bucket("s3", "shared", "key", OTHER)
    with pytest.raises(Denied, match="do not serve"):
        policy().check_bucket("s3", "any", "key", OTHER)
    with pytest.raises(Denied):
        policy().check_bucket("s3", "shared", "key", Asker(OTHER.uid, "strangers"))


@pytest.mark.parametrize("key", ["", "art", "artifacts", "artifacts/team/blobs/aa/bb", "artifacts/"])
def test_another_user_never_gets_the_daemons_own_store(key: str) -> None:
    if key == "art":
        policy().check_bucket("s3", "home", key, OTHER)
        return
    with pytest.raises(Denied, match="own store"):
        policy().check_bucket("s3", "home", key, OTHER)
