"""What an HTTP request asks of S3, from its method and its target. Buckets are addressed in the path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["Asked", "Operation", "read_request"]


class Operation(StrEnum):
    PUT = "put"
    CREATE = "create"
    PART = "part"
    COMPLETE = "complete"
    ABORT = "abort"
    GET = "get"
    HEAD = "head"
    DELETE = "delete"
    LIST = "list"
    LIST_PARTS = "list parts"
    LIST_UPLOADS = "list uploads"
    OTHER = "other"
    """What the store never asks for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`key` is empty for requests about a bucket; `part` is a part's number, from 1, else 0.

    `access_key` is the one that it was signed with, if that is known.
    """

    operation: Operation
    key: str
    part: int = 0
    access_key: str = ""


_OF_OBJECT = {
    ("PUT", ""): Operation.PUT,
    ("PUT", "uploadId"): Operation.PART,
    ("POST", "uploads"): Operation.CREATE,
    ("POST", "uploadId"): Operation.COMPLETE,
    ("DELETE", "uploadId"): Operation.ABORT,
    ("DELETE", ""): Operation.DELETE,
    ("GET", ""): Operation.GET,
    ("GET", "uploadId"): Operation.LIST_PARTS,
    ("HEAD", ""): Operation.HEAD,
}
_OF_BUCKET = {("GET", "uploads"): Operation.LIST_UPLOADS, ("GET", "list-type"): Operation.LIST}


def read_request(method: str, target: str, authorization: str = "") -> Asked:
    """Tell what is asked by `method` of `target`, a path with a query as HTTP has it."""
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    _, _, key = url.path.lstrip("/").partition("/")
    table, words = (_OF_OBJECT, ("uploadId", "uploads")) if key else (_OF_BUCKET, ("uploads", "list-type"))
    word = next((word for word in words if word in query), "")
    part = int(query["partNumber"][0]) if "partNumber" in query else 0
    signed = re.search(r"Credential=([^/,]+)/", authorization)
    return Asked(table.get((method, word), Operation.OTHER), unquote(key), part, signed[1] if signed else "")
