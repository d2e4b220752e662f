"""Running sinks, over http and over TLS, and what their clients have to know."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.workplace import Unavailable

__all__ = ["CREDENTIALS", "Sink", "sinks"]

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench-secret",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, slots=True)
class Sink:
    """A running sink; `transport` is "http" or "TLS"."""

    transport: str
    endpoint: str
    environ: dict[str, str]


@contextmanager
def sinks(root: Path, directory: Path | None = None) -> Iterator[list[Sink]]:
    """One over http and one over TLS; with `directory` they answer reads from there, see `s3_sink.c`."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise Unavailable("no C compiler for the S3 sink (install gcc or clang)")
    if not Path("/usr/include/openssl/ssl.h").exists():
        raise Unavailable("no OpenSSL headers for the S3 sink (install libssl-dev or openssl-devel)")
    if find_spec("trustme") is None:
        raise Unavailable("trustme is not installed")
    source = Path(__file__).with_name("s3_sink.c")
    plain, encrypted = root / "s3_sink", root / "s3_sink_tls"
    subprocess.run([compiler, "-O2", "-pthread", source, "-o", plain], check=True)
    subprocess.run(
        [compiler, "-O2", "-pthread", "-DTLS", source, "-o", encrypted, "-lssl", "-lcrypto"], check=True
    )
    authority, certificate = _certificates(root)
    served = [] if directory is None else [directory]
    trusting = CREDENTIALS | {"AWS_CA_BUNDLE": str(authority), "SSL_CERT_FILE": str(authority)}
    with ExitStack() as stack:
        http = stack.enter_context(_running(plain, *served))
        tls = stack.enter_context(_running(encrypted, certificate, *served))
        yield [
            Sink("http", f"http://127.0.0.1:{http}", CREDENTIALS),
            Sink("TLS", f"https://127.0.0.1:{tls}", trusting),
        ]


def _certificates(root: Path) -> tuple[Path, Path]:
    """Files with the certificate of an authority, and with a key and certificate of 127.0.0.1."""
    import trustme

    authority = trustme.CA()
    trusted, own = root / "ca.pem", root / "sink.pem"
    authority.cert_pem.write_to_path(trusted)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(own)
    return trusted, own


@contextmanager
def _running(program: Path, *arguments: Path) -> Iterator[int]:
    with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()
