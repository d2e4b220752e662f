"""`artifactd status` and `wait`: what the daemon is doing."""

from __future__ import annotations

import argparse
from typing import Any

from artifactd.client._format import duration, size, transfer
from artifactd.client._progress import Line, wait
from artifactd.client.cli.output import fields, print_json, table
from artifactd.client.client import Client

__all__ = ["add_commands"]

_HEAD = ("ADDRESS", "STATE", "FILES", "BYTES", "NOTE", "ID")


def add_commands(commands: Any) -> None:
    status: argparse.ArgumentParser = commands.add_parser("status", help="show what the daemon is doing")
    status.add_argument("--limit", type=int, default=50, metavar="N", help="items at most (default: %(default)s)")
    status.add_argument("--json", action="store_true", help="print the whole status as a JSON object")
    status.set_defaults(run=_status)
    waiting: argparse.ArgumentParser = commands.add_parser("wait", help="wait for a logged artifact")
    waiting.add_argument("id", metavar="ID", help="as `artifactd log` and `artifactd status` print it")
    waiting.add_argument("--timeout", type=float, metavar="SECONDS", help="(default: none)")
    waiting.add_argument(
        "--until", choices=("durable", "committed"), default="committed", help="(default: %(default)s)"
    )
    waiting.add_argument("--json", action="store_true", help="print a JSON object")
    waiting.set_defaults(run=_wait)


def _status(client: Client, options: argparse.Namespace) -> None:
    status = client.status(options.limit)
    if options.json:
        print_json(status)
        return
    fields(_summary(status))
    print()
    table(_HEAD, [_row(item) for item in status["items"]], "nothing is queued and nothing has failed")
    if status["more"]:
        print(f"… and more: --limit shows over {options.limit}")


def _summary(status: dict[str, Any]) -> list[tuple[str, object]]:
    daemon, spool = status["daemon"], status["spool"]
    counts = (f"{count} {state}" for state, count in status["submissions"].items() if count)
    room = f"{size(spool['used'])} used, {size(spool['free'])} free, {size(spool['reserve'])} kept in reserve"
    return [
        ("daemon", f"{daemon['version']}, pid {daemon['pid']}, up {duration(daemon['uptime'])}"),
        ("queue", ", ".join(counts) or "empty"),
        ("store", _health(status["store"])),
        ("catalog", _health(status["catalog"])),
        ("records", _lag(status.get("outbox"))),
        ("spool", f"{spool['path']}: {room}"),
    ]


def _lag(outbox: dict[str, Any] | None) -> str:
    """How far the store's records of the catalog are behind it; daemons of before know of none."""
    if outbox is None:
        return "none"
    if not outbox["rows"]:
        return "all in the store"
    return f"{outbox['rows']} changes are not in the store yet, the oldest for {duration(outbox['age'])}"


def _health(part: dict[str, Any]) -> str:
    text = f"{part['url']}: {part['state']}"
    return f"{text} ({part['error']})" if part["error"] else text


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    return (
        item["address"] + (f" (part of {draft})" if (draft := item.get("part_of")) else ""),
        item["state"],
        f"{item['files_done']}/{item['files']}",
        transfer(item["bytes_done"], item["bytes"], item["rate"]),
        item["error"] or item["waiting_for"],
        item["id"],
    )


def _wait(client: Client, options: argparse.Namespace) -> None:
    handle = client.handle(options.id)
    if options.until == "durable":
        handle.wait(options.timeout, until="durable")
    else:
        with Line() as line:
            wait(handle, line, options.timeout)
    state = handle.state
    result: dict[str, Any] = {"id": handle.id, "state": state}
    if handle.part_of is not None:
        result |= {"part_of": handle.part_of}
    elif state == "committed":
        result |= {"address": handle.qualified_name, "digest": handle.digest}
    if options.json:
        print_json(result)
    else:
        fields(result.items())
