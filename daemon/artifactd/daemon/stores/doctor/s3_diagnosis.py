"""Why a request to S3 cannot succeed, whichever it was: from the server's code or the lack of an answer. Pure."""

from __future__ import annotations

from ssl import SSLCertVerificationError

from botocore.exceptions import EndpointConnectionError, ProxyConnectionError, SSLError

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.doctor.report import Finding, Level

__all__ = ["Refused", "diagnose"]

_KEYS = "give the right ones, by the environment, ~/.aws or the machine's role"
_OF_CODE = {
    "NoSuchBucket": ("bucket", "there is no such bucket", "create it, or correct the store's URL or the endpoint"),
    "InvalidAccessKeyId": ("credentials", "the server does not know the access key", _KEYS),
    "SignatureDoesNotMatch": ("credentials", "the secret key does not belong to the access key", _KEYS),
    "InvalidToken": ("credentials", "the session token is not valid", _KEYS),
    "AccountProblem": ("credentials", "the account is not in order", "ask who runs it"),
    "AllAccessDisabled": ("credentials", "the bucket is closed to everybody", "ask who runs it"),
    "RequestTimeTooSkewed": ("clock", "the clocks here and there differ too much", "let NTP set the clock here"),
} | dict.fromkeys(
    ("ExpiredToken", "RequestExpired", "TokenRefreshRequired"),
    (
        "credentials",
        "the credentials have expired",
        "renew them; a running daemon goes on by itself with new ones",
    ),
)
_REGION_CODES = frozenset(
    {
        "301",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
        "TemporaryRedirect",
    }
)
_NOT_REACHED = frozenset({Kind.TRANSIENT, Kind.UNKNOWN_OUTCOME, Kind.DENIED})
"""Kinds of failures without an answer; `DENIED` where it is we who do not trust the server."""


class Refused(StoreError):
    """A request that was not done, for `cause`. `code` is the server's, "" without an answer.

    `region` is its hint at another one, or "".
    """

    def __init__(self, error: StoreError, cause: Exception, code: str, region: str) -> None:
        super().__init__(error.kind, error.operation, error.key, error.reason)
        self.cause = cause
        self.code = code
        self.region = region


def diagnose(refused: Refused) -> Finding | None:
    """What stands in the way of every request, or None if it concerns this request only."""
    if refused.code in _REGION_CODES:
        hint = f"; it names {refused.region}" if refused.region else ""
        return _failure("region", f"the server takes the region for wrong{hint}", "set [store.s3] region")
    if refused.code in _OF_CODE:
        return _failure(*_OF_CODE[refused.code])
    if refused.code:
        busy = refused.kind in (Kind.THROTTLED, Kind.TRANSIENT)
        return _failure("server", f"the server is in trouble: {refused.reason}", "try later") if busy else None
    if refused.kind is Kind.DENIED and not _is_of_tls(refused.cause):
        return _failure("credentials", refused.reason, _KEYS)
    return _failure("endpoint", refused.reason, _way_out(refused.cause)) if refused.kind in _NOT_REACHED else None


def _way_out(cause: Exception) -> str:
    if _is_of_tls(cause):
        return "if its certificate is your own authority's, name that in [store.s3] ca_bundle"
    if isinstance(cause, ProxyConnectionError):
        return "correct [store.s3] proxy, or HTTPS_PROXY and NO_PROXY"
    if isinstance(cause, EndpointConnectionError):
        return 'correct [store.s3] endpoint_url; without names for buckets set addressing_style = "path"'
    return "look at the network, a firewall, a proxy, [store.s3] endpoint_url"


def _is_of_tls(cause: Exception) -> bool:
    inner = getattr(cause, "kwargs", {}).get("error")
    return isinstance(cause, (SSLError, SSLCertVerificationError)) or isinstance(
        inner, (SSLError, SSLCertVerificationError)
    )


def _failure(topic: str, found: str, follows: str) -> Finding:
    return Finding(topic, Level.FAILURE, False, found, follows)
