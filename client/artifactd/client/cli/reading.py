"""`artifactd ls`, `show` and `get`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from artifactd.client._format import size
from artifactd.client.cli.output import fields, is_terminal, moment, print_json, table
from artifactd.client.client import Client
from artifactd.protocol.messages import Collection, Version

__all__ = ["add_commands"]

_ADDRESS = "[[ENTITY/]PROJECT/]NAME[:ALIAS]"


def add_commands(commands: Any) -> None:
    listing: argparse.ArgumentParser = commands.add_parser("ls", help="list artifacts, or the versions of one")
    listing.add_argument("address", nargs="?", metavar="ADDRESS", help=_ADDRESS)
    listing.set_defaults(run=_ls)
    show: argparse.ArgumentParser = commands.add_parser("show", help="show one version")
    show.add_argument("address", metavar="ADDRESS", help=_ADDRESS)
    show.set_defaults(run=_show)
    get: argparse.ArgumentParser = commands.add_parser("get", help="download one version")
    get.add_argument("address", metavar="ADDRESS", help=_ADDRESS)
    get.add_argument("--root", metavar="DIR", help="where to (default: ./artifacts/NAME:vN)")
    get.set_defaults(run=_get)
    for parser in (listing, show, get):
        parser.add_argument("--json", action="store_true", help="print JSON")


def _ls(client: Client, options: argparse.Namespace) -> None:
    if options.address:
        _list_versions(client, options)
    else:
        _list_collections(client, options)


def _list_collections(client: Client, options: argparse.Namespace) -> None:
    found = client.collections(options.project)
    if options.json:
        print_json([_collection(item) for item in found])
        return
    rows = (
        (f"{item.project}/{item.name}", item.type, item.versions, _version(item.newest), moment(item.updated_at))
        for item in found
    )
    table(
        ("ARTIFACT", "TYPE", "VERSIONS", "NEWEST", "UPDATED"),
        rows,
        "no artifacts yet: `artifactd log PATH` makes one",
    )


def _list_versions(client: Client, options: argparse.Namespace) -> None:
    found = client.versions(options.address)
    if options.json:
        print_json([_describe(item) for item in found])
        return
    rows = (
        (_version(item.version), item.aliases, item.files, _size(item.size), moment(item.created_at), item.digest)
        for item in found
    )
    table(
        ("VERSION", "ALIASES", "FILES", "SIZE", "CREATED", "DIGEST"), rows, f"no versions of {options.address} yet"
    )


def _show(client: Client, options: argparse.Namespace) -> None:
    version = client.version(options.address)
    described = _describe(version)
    if options.json:
        print_json(described)
        return
    fields((described | {"metadata": version.metadata, "created_at": moment(version.created_at)}).items())


def _get(client: Client, options: argparse.Namespace) -> None:
    artifact = client.use_artifact(options.address)
    root = artifact.download(options.root)
    if options.json:
        print_json(
            {
                "address": artifact.qualified_name,
                "root": root,
                "files": artifact.file_count,
                "bytes": artifact.size,
            }
        )
    else:
        print(root)


def _version(number: int | None) -> str | None:
    return None if number is None else f"v{number}"


def _size(count: int) -> str:
    return size(count) if is_terminal() else str(count)


def _collection(item: Collection) -> dict[str, Any]:
    return {
        "address": f"{item.entity}/{item.project}/{item.name}",
        "type": item.type,
        "versions": item.versions,
        "newest": _version(item.newest),
        "updated_at": item.updated_at,
    }


def _describe(item: Version) -> dict[str, Any]:
    return {
        "address": f"{item.entity}/{item.project}/{item.name}:v{item.version}",
        "type": item.type,
        "aliases": item.aliases,
        "tags": item.tags,
        "description": item.description,
        "metadata": json.loads(item.metadata),
        "files": item.files,
        "bytes": item.size,
        "digest": item.digest,
        "run": item.run,
        "created_at": item.created_at,
    }
