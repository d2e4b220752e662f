"""`artifactd log`."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from artifactd.client._draft import POLICIES
from artifactd.client._logging import as_name
from artifactd.client._progress import Line, wait
from artifactd.client.artifact import Artifact
from artifactd.client.cli.output import fields, print_json
from artifactd.client.client import Client
from artifactd.protocol.errors import InvalidRequest

__all__ = ["add_commands"]


def add_commands(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser("log", help="log a file or directory as an artifact")
    parser.add_argument("path", metavar="PATH", help="file or directory")
    parser.add_argument("--name", help="of the artifact (default: after PATH)")
    parser.add_argument("--type", default="unspecified", help="of the artifact (default: %(default)s)")
    parser.add_argument("--alias", action="append", default=[], help="points to the new version; may be repeated")
    parser.add_argument("--tag", action="append", default=[], help="may be repeated")
    parser.add_argument("--description", metavar="TEXT")
    parser.add_argument("--metadata", metavar="JSON", help="a JSON object")
    parser.add_argument(
        "--policy", choices=POLICIES, default="mutable", help="how files are taken (default: %(default)s)"
    )
    parser.add_argument("--wait", action="store_true", help="return when the version is committed")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.set_defaults(run=_log)


def _log(client: Client, options: argparse.Namespace) -> None:
    name = options.name or as_name(os.path.basename(os.path.abspath(options.path)))
    artifact = Artifact(name, options.type, options.description, _metadata(options.metadata))
    with Line() as line:
        line.show(f"{name}: taking the files of {options.path}")
        if os.path.isdir(options.path):
            artifact.add_dir(options.path, policy=options.policy)
        else:
            artifact.add_file(options.path, policy=options.policy)
        handle = client.log_artifact(artifact, aliases=options.alias, tags=options.tag)
        if options.wait:
            wait(handle, line)
    result: dict[str, Any] = {"id": handle.id, "name": name, "files": artifact.file_count, "bytes": artifact.size}
    if options.wait:
        result |= {"address": artifact.qualified_name, "digest": artifact.digest}
    if options.json:
        print_json(result)
    else:
        fields(result.items())


def _metadata(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidRequest(f"--metadata is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRequest("--metadata is not a JSON object")
    return value
