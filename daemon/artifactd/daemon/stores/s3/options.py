"""How to reach a bucket, and how an object is cut into parts: plain values, no SDK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["MAX_PARTS", "S3Options", "part_size_for"]

MAX_PARTS = 10_000
"""S3 takes no more parts of one object."""
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class S3Options:
    """Credentials are not here: they come by the SDK's own chain (environment, files, instance).

    `endpoint_url`, `region`, `proxy` (the URL of an HTTP proxy) and `ca_bundle` (a file of certificates) None mean
    what the SDK finds. `sse` is the encryption of new objects, with the KMS key `kms_key_id` or the account's own;
    None leaves it, and a `storage_class` of None too, to the bucket. `part_size` is in bytes, at least 5 MiB
    (S3's rule); `concurrency` parts of it are on their way, or in memory, at once.
    """

    endpoint_url: str | None = None
    region: str | None = None
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    proxy: str | None = None
    ca_bundle: str | None = None
    sse: Literal["AES256", "aws:kms"] | None = None
    kms_key_id: str | None = None
    storage_class: str | None = None
    part_size: int = 16 * _MIB
    concurrency: int = 8

    @property
    def new_object(self) -> dict[str, str]:
        """The parameters of a request that makes an object."""
        found = {
            "ServerSideEncryption": self.sse,
            "SSEKMSKeyId": self.kms_key_id,
            "StorageClass": self.storage_class,
        }
        return {name: value for name, value in found.items() if value is not None}


def part_size_for(size: int, preferred: int) -> int:
    """`preferred`, or the next whole MiB with which `size` bytes fit into `MAX_PARTS` parts."""
    needed = -(-size // MAX_PARTS)
    return max(preferred, -(-needed // _MIB) * _MIB)
