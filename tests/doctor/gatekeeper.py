"""A server in front of an S3 server that permits some actions only, as a bucket's policy does."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Set
from urllib.parse import parse_qs, urlsplit

from servers.process import S3Server
from stores.scripted import Answer, Request, error

__all__ = ["Gatekeeper", "action"]

_UPLOADS = {"GET": "s3:ListMultipartUploadParts", "DELETE": "s3:AbortMultipartUpload"}
_OBJECTS = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "DELETE": "s3:DeleteObject"}
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "keep-alive"})


def action(request: Request) -> str:
    """What AWS would ask a policy for."""
    url = urlsplit(request.target)
    query = parse_qs(url.query, keep_blank_values=True)
    if not re.fullmatch(r"/[^/]+/.+", url.path):
        known = {"list-type": "s3:ListBucket", "uploads": "s3:ListBucketMultipartUploads"}
        return next((name for key, name in known.items() if key in query), "s3:GetBucket")
    table = _UPLOADS if "uploadId" in query else _OBJECTS
    return table.get(request.method, "s3:PutObject")


class Gatekeeper:
    """Answers for `server`; `denied` are actions, `judge` may answer a request itself."""

    def __init__(
        self,
        server: S3Server,
        denied: Set[str] = frozenset(),
        judge: Callable[[Request], Answer | None] = lambda request: None,
    ) -> None:
        self._address = urlsplit(server.endpoint).netloc
        self._denied = denied
        self._judge = judge

    def answer(self, request: Request) -> Answer:
        if action(request) in self._denied:
            return Answer(403) if request.method == "HEAD" else error("AccessDenied", 403)
        return self._judge(request) or self.forward(request)

    def forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        try:
            connection.request(request.method, request.target, request.body, dict(request.headers))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
        kept = [(name.title() if name.lower() == "content-length" else name, value) for name, value in headers]
        return Answer(response.status, body, tuple(kept))
