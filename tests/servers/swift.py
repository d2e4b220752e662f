"""OpenStack Swift behind its S3 API, on one node: it verifies the checksum of each part and every body signature.

Four servers, as in a real installation: the proxy answers S3 and keeps accounts, containers and objects in the
others. What they hold lies in the extended attributes of plain files.
"""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from servers.process import S3Server, executable, free_port, running

__all__ = ["swift"]

USER = "test:tester"
PASSWORD = "testing"

_COMMON = """\
[swift-hash]
swift_hash_path_prefix = tests
swift_hash_path_suffix = tests
[storage-policy:0]
name = only
default = yes
"""
_DEFAULTS = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {directory}
workers = 0
log_level = WARNING
"""
_STORAGE = """\
devices = {directory}/node
mount_check = false
fallocate_reserve = 0
disable_fallocate = true
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
_PROXY = """\
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk s3api tempauth
    copy slo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
check_bucket_owner = false
s3_acl = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
rate_limit_after_segment = 10000
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
"""
_PLAIN_FILTERS = ("catch_errors", "gatekeeper", "listing_formats", "bulk", "copy", "symlink")


@contextmanager
def swift(directory: Path) -> Iterator[S3Server]:
    """Serve an empty S3 from `directory`, which also takes the logs of the four servers."""
    (directory / "node" / "disk").mkdir(parents=True)
    ports = {name: free_port() for name in ("account", "container", "object", "proxy")}
    (directory / "swift.conf").write_text(_COMMON)
    for name, port in ports.items():
        if name != "proxy":
            _make_ring(directory, name, port)
        (directory / f"{name}-server.conf").write_text(_config(directory, name, port))
    server = S3Server(f"http://127.0.0.1:{ports['proxy']}", USER, PASSWORD)
    with ExitStack() as stack:
        for name, port in ports.items():
            stack.enter_context(_serving(directory, name, port, {"SWIFT_DIR": str(directory)}))
        yield server


@contextmanager
def _serving(directory: Path, name: str, port: int, environ: Mapping[str, str]) -> Iterator[None]:
    command = [executable("swift", f"swift-{name}-server"), directory / f"{name}-server.conf"]
    with running(command, f"http://127.0.0.1:{port}", environ, directory / f"{name}.log"):
        yield


def _config(directory: Path, name: str, port: int) -> str:
    defaults = _DEFAULTS.format(port=port, user=getpass.getuser(), directory=directory)
    if name != "proxy":
        return defaults + _STORAGE.format(directory=directory, name=name)
    return defaults + _PROXY + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in _PLAIN_FILTERS)


def _make_ring(directory: Path, name: str, port: int) -> None:
    """Tell every server where those called `name` are: one replica, on one disk."""
    builder = directory / f"{name}.builder"
    for arguments in (["create", "6", "1", "0"], ["add", f"r1z1-127.0.0.1:{port}/disk", "1"], ["rebalance"]):
        command: list[str | Path] = [executable("swift", "swift-ring-builder"), builder, *arguments]
        subprocess.run(command, check=True, capture_output=True)
