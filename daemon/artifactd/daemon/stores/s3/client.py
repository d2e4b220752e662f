"""The aiobotocore client, made for our kind of traffic."""

from __future__ import annotations

import logging
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError
from botocore.handlers import add_expect_header

from artifactd.daemon.store_url import check_server_url, without_secrets
from artifactd.daemon.stores.base import StoreUnusable
from artifactd.daemon.stores.s3.body import swap_body
from artifactd.daemon.stores.s3.credentials import Credentials
from artifactd.daemon.stores.s3.http import HttpSession
from artifactd.daemon.stores.s3.options import S3Options

__all__ = ["open_client"]

# It tells of each refresh that fails, with a traceback; we say it ourselves, in the status and once in the log.
logging.getLogger("aiobotocore").addHandler(logging.NullHandler())

_CONNECT_TIMEOUT = 10
_READ_TIMEOUT = 60
_CONTROL_CONNECTIONS = 8
"""Beyond those for data, so that an abort or a HEAD never queues behind the uploads it is about."""


async def open_client(options: S3Options, small_puts: int) -> Any:
    """Open a client on the running asyncio loop; the caller awaits its `close()` there.

    Raises `StoreUnusable` for options, and for files and variables of the SDK's own, that it cannot work with.
    """
    config = AioConfig(
        max_pool_connections=options.concurrency + small_puts + _CONTROL_CONNECTIONS,
        # The SDK's own description of itself is put together anew for each request: a quarter of a small PUT.
        user_agent="artifactd",
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        # Checksums are ours: CRC64NVME in a header, computed while reading.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # A SHA-256 of each body would be the most expensive step of all.
        s3={"payload_signing_enabled": False, "addressing_style": options.addressing_style},
        # One attempt: parts are retried here, by kind, and everything else by the pipeline's policy, which sees
        # each failure.
        retries={"mode": "standard", "total_max_attempts": 1},
        http_session_cls=HttpSession,
        proxies={"http": options.proxy, "https": options.proxy} if options.proxy else None,
    )
    session, credentials = AioSession(), Credentials()
    session.register_component("credential_provider", credentials)
    context = session.create_client(
        "s3",
        region_name=options.region,
        endpoint_url=options.endpoint_url,
        verify=options.ca_bundle,
        config=config,
    )
    try:
        # Entered by hand: it is closed by another asyncio task than this one.
        client = await context.__aenter__()
    except (BotoCoreError, ValueError) as error:
        raise StoreUnusable(f"S3: {without_secrets(str(error))}") from None
    try:
        check_server_url(client.meta.endpoint_url)
    except ValueError as error:
        await client.close()
        raise StoreUnusable(f"S3: the endpoint that the SDK was given: {error}") from None
    client.meta.events.register("before-send.s3", swap_body)
    client.meta.events.register("after-call.s3", credentials.see)
    # It would cost each body a round trip.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client
