"""The story, from the first epoch to the last check."""

from __future__ import annotations

import time
from pathlib import Path

from artifactd.client._format import size
from artifactd.client.client import Client
from artifactd.client.demo.checks import Check, check_dataset, check_evaluation, check_models
from artifactd.client.demo.contents import blob_bytes
from artifactd.client.demo.crew import Crew, Worker
from artifactd.client.demo.daemon import Daemon
from artifactd.client.demo.dataset import LIBRARY, log_library
from artifactd.client.demo.evidence import Committed, read_back
from artifactd.client.demo.report import Teller, show_checks, show_epochs
from artifactd.client.demo.training import CHECKPOINT, EPOCHS, accuracy, digits, load_checkpoint, train
from artifactd.protocol.states import State

__all__ = ["tell"]

_RATES = (0.0003, 0.001, 0.003, 0.01)
_MODELS = {f"digits-lr-{rate}": rate for rate in _RATES}
_CHECKPOINTS = len(_MODELS) * EPOCHS


def tell(home: Path) -> bool:
    """Run everything in `home`, which the environment names, and say whether every promise held.

    Raises `DemoFailed` if a process broke down, and what the client raises.
    """
    say = Teller()
    with Daemon(home) as daemon, Client(project="digits") as client, Crew(home) as crew:
        daemon.start()
        say(f"a daemon, pid {daemon.pid}, serves {home}; nothing is configured")
        library = crew.start(LIBRARY, log_library)
        _train_and_log(say, daemon, client, crew, library, home)
        cost = _log_again(say, client, crew, library, home)
        checks = _judge(say, client, crew, home, cost)
        status = daemon.stop()
        checks.append(Check("the daemon finishes its work and stops at SIGTERM", status == 0, f"exit {status}"))
        show_checks(checks)
    return all(check.held for check in checks)


def _train_and_log(say: Teller, daemon: Daemon, client: Client, crew: Crew, library: Worker, home: Path) -> None:
    trainers = [crew.start(name, train, name, rate, home / name) for name, rate in _MODELS.items()]
    say(f"{len(trainers)} processes train; after each of {EPOCHS} epochs they overwrite one file and log it")
    crew.gather(lambda: len(crew.logged) >= _CHECKPOINTS // 2)
    say(f"half-way: {len(crew.logged)} of {_CHECKPOINTS} checkpoints are logged; Python's library as well …")
    library.go()
    crew.gather(lambda: bool(crew.of(LIBRARY)))
    unfinished = _unfinished(client)
    pid, killed = daemon.pid, time.monotonic()
    daemon.kill()
    say(f"… and now: kill -9 {pid}, with {_listed(unfinished)} in the daemon")
    resumed = daemon.start()["resumed"]
    away = time.monotonic() - killed
    say(f"a new daemon, pid {daemon.pid}, goes on with {resumed} artifacts; there was none for {away:.1f} s")
    crew.gather(lambda: not any(crew.works(trainer) for trainer in trainers))
    calls = sorted(logged.seconds for name in _MODELS for logged in crew.of(name))
    say(
        f"trained; a checkpoint held its training up for {calls[len(calls) // 2] * 1000:.0f} ms in the median, "
        f"{calls[-1]:.1f} s at most"
    )


def _log_again(say: Teller, client: Client, crew: Crew, library: Worker, home: Path) -> int:
    """Let the library be logged a second time, once all else has arrived; returns how many bytes that uploaded."""
    crew.gather(lambda: not _unfinished(client))
    before = blob_bytes(home / "blobs")
    library.go()
    crew.gather(lambda: not crew.works(library))
    cost = blob_bytes(home / "blobs") - before
    first, second = crew.of(LIBRARY)
    say(
        f"Python's library, {len(first.digests):,} files, {size(first.size)}: logged in {first.seconds:.1f} s; "
        f"again, in {second.seconds:.1f} s: {size(cost)} uploaded"
    )
    return cost


def _judge(say: Teller, client: Client, crew: Crew, home: Path, cost: int) -> list[Check]:
    say("every version is downloaded and compared with what was logged")
    models = {name: read_back(client, name, home / "downloads" / name) for name in _MODELS}
    library = read_back(client, LIBRARY, home / "downloads" / LIBRARY)
    show_epochs(models)
    logged = sum(entry.size for entry in crew.logged)
    stored = blob_bytes(home / "blobs")
    print(f"\nlogged {len(crew.logged)} artifacts, {size(logged)}; uploaded {size(stored)}\n")
    unfinished = _unfinished(client)
    return [
        *check_models({name: crew.of(name) for name in _MODELS}, models),
        *check_dataset(crew.of(LIBRARY), library, cost),
        _evaluate(client, models, home),
        Check("nothing is left to do, nothing failed", not unfinished, _listed(unfinished)),
    ]


def _evaluate(client: Client, models: dict[str, list[Committed]], home: Path) -> Check:
    """Fetch the best of all checkpoints by its alias, as its user would, and try it on the digits held out."""
    best = max(models, key=lambda name: max((v.metadata["accuracy"] for v in models[name]), default=0.0))
    artifact = client.use_artifact(f"{best}:best", type="model")
    path = Path(artifact.download(home / "best")) / CHECKPOINT
    _, held_out = digits()
    return check_evaluation(
        f"{best}:best", artifact.metadata["accuracy"], accuracy(load_checkpoint(path), held_out)
    )


def _unfinished(client: Client) -> dict[str, int]:
    """How many artifacts the daemon has by state, without those that are committed."""
    counts: dict[str, int] = client.status()["submissions"]
    return {state: count for state, count in counts.items() if count and state != State.COMMITTED}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing unfinished"
