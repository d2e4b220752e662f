"""What S3 must permit: each request that the store makes, and who needs it. `docs/stores.md` has the policies."""

from __future__ import annotations

from artifactd.daemon.stores.doctor.report import Role

__all__ = ["PERMISSIONS", "ROLES"]

PERMISSIONS = {
    "list_objects_v2": "s3:ListBucket",
    "head_object": "s3:GetObject",
    "get_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "list_parts": "s3:ListMultipartUploadParts",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "delete_object": "s3:DeleteObject",
}
"""The action that AWS asks for, by the SDK's name of the request."""

_READS = frozenset({"s3:ListBucket", "s3:GetObject"})
_UPLOADS = frozenset({"s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads"})

ROLES = (
    Role("uploader", _READS | _UPLOADS | {"s3:PutObject", "s3:ListMultipartUploadParts"}, daemon=True),
    Role("reader", _READS, daemon=True),
    Role("gc", _READS | _UPLOADS | {"s3:DeleteObject"}, daemon=False),
)
