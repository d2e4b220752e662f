"""What an S3 error means for a retry: by error code, else by HTTP status, else by the exception's class."""

from __future__ import annotations

from ssl import SSLCertVerificationError
from typing import Any

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from artifactd.daemon.stores.base import Kind, StoreError

__all__ = ["S3_ERRORS", "classify", "kind_of_answer"]

S3_ERRORS = (BotoCoreError, ClientError, ResponseParserError, aiohttp.ClientError, TimeoutError)
"""All that a request raises, cancellation aside."""

_BY_CODE = {
    Kind.THROTTLED: (
        "BandwidthLimitExceeded RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown "
        "ServiceUnavailable Throttling ThrottlingException TooManyRequests TooManyRequestsException"
    ),
    Kind.DENIED: (
        "AccessDenied AccountProblem AllAccessDisabled AuthorizationHeaderMalformed ExpiredToken Forbidden "
        "InvalidAccessKeyId InvalidToken KMS.DisabledException KMS.InvalidKeyUsageException "
        "KMS.KMSInvalidStateException KMS.NotFoundException NoSuchBucket RequestExpired RequestTimeTooSkewed "
        "SignatureDoesNotMatch TokenRefreshRequired"
    ),
    Kind.NOT_FOUND: "NoSuchKey NoSuchUpload NotFound",
    Kind.CONFLICT: "ConditionalRequestConflict PreconditionFailed",
    Kind.CORRUPT: (
        "BadDigest ContentSHA256Mismatch InvalidDigest XAmzContentChecksumMismatch XAmzContentSHA256Mismatch"
    ),
    Kind.TRANSIENT: "IncompleteBody InternalError InvalidPart OperationAborted RequestTimeout",
    Kind.PERMANENT: "NotImplemented",
}
_KIND_OF_CODE = {code: kind for kind, codes in _BY_CODE.items() for code in codes.split()}

_KIND_OF_STATUS = {
    401: Kind.DENIED,
    403: Kind.DENIED,
    404: Kind.NOT_FOUND,
    408: Kind.TRANSIENT,
    409: Kind.CONFLICT,
    412: Kind.CONFLICT,
    429: Kind.THROTTLED,
    501: Kind.PERMANENT,
    503: Kind.THROTTLED,
}

_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
)
_NEVER_SENT = (
    ConnectTimeoutError,
    ProxyConnectionError,
    SSLError,
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
)
_CUT_OFF = (
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseParserError,
    ResponseStreamingError,
    TimeoutError,
    aiohttp.ClientError,
)

_LONGEST_REASON = 500
"""Characters; an answer that cannot be read would be quoted in full."""
_ABOUT_UPLOADS = frozenset({"abort", "list parts of"})
"""Operations for which an upload that is gone is an answer."""
_ABOUT_SECRETS = frozenset({"InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"})
"""Codes whose message may repeat the key, the token or the signature that the server was sent."""
_MEANING = {
    "AccessDenied": "the credentials do not suffice",
    "403": "the credentials were refused, or do not suffice",
    "RequestTimeTooSkewed": "the clocks here and there differ too much",
} | dict.fromkeys(
    ("ExpiredToken", "RequestExpired", "TokenRefreshRequired", *_ABOUT_SECRETS), "the credentials were refused"
)
"""What an operator has to mend; the answer to a HEAD has no code but its status."""
_TAKES_EFFECT = frozenset({"put", "create", "complete"})
"""Operations that change what others see, or leave something behind, even if their answer is lost."""


def classify(error: Exception, operation: str, key: str) -> StoreError:
    """Build the `StoreError` for one of `S3_ERRORS` that `operation` raised."""
    if isinstance(error, ClientError):
        kind = kind_of_answer(error.response, operation)
        details = error.response.get("Error", {})
        code = str(details.get("Code", ""))
        said = code if code in _ABOUT_SECRETS else f"{code}: {details.get('Message')}"
        reason = f"{_MEANING[code]} ({said})" if code in _MEANING else said
    else:
        kind = _unanswered(error, operation)
        reason = str(error) or type(error).__name__
        if isinstance(error, aiohttp.ClientProxyConnectionError):
            # It names the proxy's address as if it were the server's.
            reason = f"the proxy does not answer: {reason}"
    return StoreError(kind, operation, key, reason[:_LONGEST_REASON])


def kind_of_answer(response: dict[str, Any], operation: str) -> Kind:
    """What a failure means, from the SDK's parsed answer."""
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(response.get("Error", {}).get("Code", ""))
    if code == "NoSuchUpload" and operation not in _ABOUT_UPLOADS:
        # Somebody aborted it under us; another attempt makes a new one.
        return Kind.TRANSIENT
    kind = _KIND_OF_CODE.get(code) or _KIND_OF_STATUS.get(status)
    return kind or (Kind.TRANSIENT if status >= 500 else Kind.PERMANENT)


def _unanswered(error: Exception, operation: str) -> Kind:
    if isinstance(error, _NO_CREDENTIALS):
        return Kind.DENIED
    if isinstance(error, (ChecksumError, FlexibleChecksumError)):
        return Kind.CORRUPT
    cause = getattr(error, "kwargs", {}).get("error")
    if isinstance(error, SSLCertVerificationError) or isinstance(cause, SSLCertVerificationError):
        return Kind.DENIED
    if isinstance(error, _NEVER_SENT) or isinstance(cause, _NEVER_SENT):
        return Kind.TRANSIENT
    if isinstance(error, _CUT_OFF):
        return Kind.UNKNOWN_OUTCOME if operation in _TAKES_EFFECT else Kind.TRANSIENT
    return Kind.PERMANENT
