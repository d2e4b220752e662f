"""Makes the golden home of a release: `python -m golden.make_home VERSION`, from `tests/`, once per release.

It holds committed versions with aliases and metadata, a failed submission, and unfinished work: durable
submissions of small, packed and large files and one that never became durable. Every later release opens it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import apsw

from artifactd.client import Artifact, ArtifactFailed, Client
from golden.expected import BOOT, large, small
from harness.daemon import DaemonProcess
from harness.mischief import Gate, Hold, Mischief
from harness.places import Place

__all__: list[str] = []

DATA = Path(__file__).parents[1] / "data"


def main(version: str) -> None:
    home = Path(tempfile.mkdtemp(prefix="artifactd-", dir="/tmp"))
    daemon = DaemonProcess(home, Place({}, list))
    try:
        expected = fill(daemon, home)
    finally:
        daemon.close()
    tidy(home)
    (home / "expected.json").write_text(json.dumps(expected, indent=1))
    target = DATA / f"home-{version}.tar.xz"
    with tarfile.open(target, "w:xz") as archive:
        archive.add(home, arcname="home", filter=anonymous)
    shutil.rmtree(home)
    print(f"{target}: {target.stat().st_size} bytes")


def fill(daemon: DaemonProcess, home: Path) -> dict[str, list[str]]:
    gate = Gate(home / "gate")
    unfinished: dict[str, list[str]] = {"durable": [], "lost": []}
    daemon.start(Mischief(boot=BOOT, holds={Hold.HASHING: gate.path}))
    with daemon.client() as client:
        for epoch in range(3):
            client.log_artifact(model(client, epoch), aliases=["best"] if epoch == 1 else None).wait(timeout=30)
        try:
            other = Artifact("model", "dataset")
            client.log_artifact(other).wait(timeout=30)
        except ArtifactFailed as failure:
            print(f"failed as it must: {failure}")
        with gate.closed():
            for epoch in (3, 4):
                handle = client.log_artifact(model(client, epoch))
                handle.wait(timeout=30, until="durable")
                unfinished["durable"].append(handle.id)
            daemon.kill()
    daemon.start(Mischief(boot=BOOT, holds={Hold.HASHING: gate.path, Hold.SYNC: gate.path}), wait=False)
    with gate.closed():
        daemon.wait_ready()
        with daemon.client() as client:
            unfinished["lost"].append(client.log_artifact(model(client, 5)).id)
        daemon.kill()
    return unfinished


def model(client: Client, epoch: int) -> Artifact:
    artifact = Artifact("model", "model", description=f"epoch {epoch}", metadata={"epoch": epoch})
    for name, content in small(epoch).items():
        with artifact.new_file(name, mode="wb") as file:
            file.write(content)
    with artifact.new_file("weights.bin", mode="wb") as file:
        file.write(large(epoch))
    return artifact


def tidy(home: Path) -> None:
    """Fold the write-ahead logs in, and leave out what every start makes anew."""
    for name in ("journal.db", "catalog.db"):
        db = apsw.Connection(str(home / name))
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        db.close()
    shutil.rmtree(home / "cache")
    for name in ("lock", "artifactd.sock", "artifactd.sock.lock", "gate"):
        (home / name).unlink(missing_ok=True)


def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


if __name__ == "__main__":
    main(sys.argv[1])
