"""The objects of a daemon's store, in the hands of somebody who damages them, and rows of its catalog too."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from sqlalchemy import create_engine, text

from artifactd.daemon.catalog.connecting import parse
from harness.places import Place
from servers.buckets import s3_client
from servers.process import S3Server

__all__ = ["Objects", "flip", "forget_blob", "objects_of", "truncate"]


class Objects(Protocol):
    def read(self, key: str) -> bytes: ...

    def write(self, key: str, data: bytes) -> None: ...

    def delete(self, key: str) -> None: ...


class _Directory:
    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, key: str) -> bytes:
        return (self._root / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        (self._root / key).parent.mkdir(parents=True, exist_ok=True)
        (self._root / key).write_bytes(data)

    def delete(self, key: str) -> None:
        (self._root / key).unlink()


class _Bucket:
    def __init__(self, server: S3Server, bucket: str, prefix: str) -> None:
        self._server, self._bucket, self._prefix = server, bucket, prefix

    def read(self, key: str) -> bytes:
        with closing(s3_client(self._server)) as client:
            data: bytes = client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        with closing(s3_client(self._server)) as client:
            client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def delete(self, key: str) -> None:
        with closing(s3_client(self._server)) as client:
            client.delete_object(Bucket=self._bucket, Key=self._prefix + key)


def objects_of(place: Place) -> Objects:
    """What a daemon's store has at `place`."""
    url = urlsplit(place.settings["ARTIFACTD_STORE"])
    if url.scheme == "file":
        return _Directory(Path(unquote(url.path)))
    server = S3Server(
        place.settings["ARTIFACTD_STORE__S3__ENDPOINT_URL"],
        place.settings["AWS_ACCESS_KEY_ID"],
        place.settings["AWS_SECRET_ACCESS_KEY"],
    )
    return _Bucket(server, url.netloc, url.path.strip("/") + "/")


def flip(objects: Objects, key: str, position: int = -1) -> None:
    """Change one bit."""
    data = bytearray(objects.read(key))
    data[position] ^= 1
    objects.write(key, bytes(data))


def truncate(objects: Objects, key: str) -> None:
    """Take the last byte away."""
    objects.write(key, objects.read(key)[:-1])


def forget_blob(url: str, digest: str) -> None:
    """Remove a blob's row from the catalog."""
    engine = create_engine(parse(url))
    with engine.begin() as connection:
        gone = connection.execute(text("DELETE FROM blobs WHERE digest = :digest"), {"digest": digest})
    engine.dispose()
    assert gone.rowcount == 1
