"""How to reach a bucket of Google Cloud Storage: plain values, no SDK."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GRAIN", "PLAIN", "GCSOptions"]

GRAIN = 256 << 10
"""GCS persists a resumable upload in multiples of so many bytes."""
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class GCSOptions:
    """Credentials are not here: they come by the library's own chain (service file, user's file, metadata server).

    `endpoint_url` None is `STORAGE_EMULATOR_HOST`, which is asked without credentials, else Google's own.
    `chunk_size` is in bytes, a multiple of `GRAIN`; `concurrency` chunks are on their way, or in memory, at once.
    A peer that moves no byte for `stall_timeout` seconds is given up.
    """

    endpoint_url: str | None = None
    kms_key: str | None = None
    storage_class: str | None = None
    ca_bundle: str | None = None
    chunk_size: int = 16 * _MIB
    concurrency: int = 8
    stall_timeout: float = 60.0


PLAIN = GCSOptions()
