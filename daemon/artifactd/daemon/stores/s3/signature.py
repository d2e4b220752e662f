"""Signatures (version 4) of PUTs in the one shape that ours have, as botocore's own signer makes them."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from botocore.auth import UNSIGNED_PAYLOAD
from botocore.exceptions import NoCredentialsError

__all__ = ["Signature"]


@dataclass(frozen=True, slots=True, repr=False)
class Signature:
    """Signs with one set of credentials, for as long as a time stamp is right: `second`, since the epoch.

    `headers` are those that all requests have in common, the stamp and the session's token among them.
    """

    second: int
    access_key: str
    key: bytes
    scope: str
    headers: Mapping[str, str]

    @classmethod
    def now(cls, credentials: Any, region: str, service: str, headers: Mapping[str, str]) -> Signature:
        """With the frozen `credentials`; raises `NoCredentialsError` if they are None."""
        if credentials is None:
            raise NoCredentialsError
        second = int(time.time())
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        parts = (stamp[:8], region, service, "aws4_request")
        key = f"AWS4{credentials.secret_key}".encode()
        for part in parts:
            key = hmac.digest(key, part.encode(), "sha256")
        token = {"x-amz-security-token": credentials.token} if credentials.token else {}
        return cls(second, credentials.access_key, key, "/".join(parts), {**headers, "x-amz-date": stamp, **token})

    @property
    def is_of_now(self) -> bool:
        return self.second == int(time.time())

    def sign(self, path: str, own: Mapping[str, str]) -> dict[str, str]:
        """All headers of the PUT of a quoted path whose `own` headers are these."""
        headers = {**self.headers, **own}
        names = sorted(headers)
        listed = ";".join(names)
        lines = "".join([f"{name}:{headers[name]}\n" for name in names])
        canonical = f"PUT\n{path}\n\n{lines}\n{listed}\n{UNSIGNED_PAYLOAD}"
        digest = sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{self.scope}\n{digest}"
        signature = hmac.digest(self.key, text.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{self.scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )
        return headers
