"""Whether what was logged is what there is now: each promise judged by comparing the two. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from artifactd.client.demo.crew import Logged
from artifactd.client.demo.evidence import Committed

__all__ = ["Check", "check_dataset", "check_evaluation", "check_models"]

_Rule = Callable[[Sequence[Logged], Sequence[Committed]], bool]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise: whether it held, and what shows it."""

    promise: str
    held: bool
    detail: str


def check_models(
    logged: Mapping[str, Sequence[Logged]], committed: Mapping[str, Sequence[Committed]]
) -> list[Check]:
    """Judge the models' collections: what each process logged, in its order, against the versions there are."""
    versions = sum(map(len, committed.values()))
    return [
        _each("nothing lost, nothing twice: v0, v1, … without a gap", logged, committed, _complete, versions),
        _each("in the order of logging: version i holds epoch i", logged, committed, _in_order, versions),
        _each("the bytes that the file had when it was logged", logged, committed, _same_bytes, versions),
        _each("`best` is the most accurate epoch, `latest` the last", logged, committed, _right_aliases, versions),
    ]


def check_dataset(logged: Sequence[Logged], committed: Sequence[Committed], cost: int) -> list[Check]:
    """Judge the dataset that was logged twice; `cost` is what the second time added to the store, in bytes."""
    numbers = [version.version for version in committed]
    same = bool(committed) and all(entry.digests == committed[-1].digests for entry in logged)
    files = len(committed[-1].digests) if committed else 0
    return [
        Check("the dataset logged twice is one version", numbers == [0] and len(logged) == 2, _numbers(numbers)),
        Check("the second time uploads nothing", cost == 0, f"{cost:,} bytes"),
        Check("every file of the dataset comes back the same", same and files > 0, f"{files:,} files"),
    ]


def check_evaluation(address: str, recorded: float, measured: float) -> Check:
    """Judge the best checkpoint: the accuracy in its metadata against what the downloaded weights reach."""
    detail = f"{measured:.2%}, its metadata says {recorded:.2%}"
    return Check(f"{address} evaluates to what it says", measured == recorded, detail)


def _each(
    promise: str,
    logged: Mapping[str, Sequence[Logged]],
    committed: Mapping[str, Sequence[Committed]],
    holds: _Rule,
    versions: int,
) -> Check:
    broken = [name for name in logged if not holds(logged[name], committed.get(name, ()))]
    detail = f"not so for {', '.join(broken)}" if broken else f"{len(logged)} collections, {versions} versions"
    return Check(promise, not broken and versions > 0, detail)


def _complete(logged: Sequence[Logged], committed: Sequence[Committed]) -> bool:
    return [version.version for version in committed] == list(range(len(logged)))


def _in_order(logged: Sequence[Logged], committed: Sequence[Committed]) -> bool:
    epochs = [version.metadata.get("epoch") for version in committed]
    return epochs == [entry.metadata["epoch"] for entry in logged] == [version.version for version in committed]


def _same_bytes(logged: Sequence[Logged], committed: Sequence[Committed]) -> bool:
    return [version.digests for version in committed] == [entry.digests for entry in logged]


def _right_aliases(logged: Sequence[Logged], committed: Sequence[Committed]) -> bool:
    scores = [entry.metadata["accuracy"] for entry in logged]
    pointed = {alias: version.version for version in committed for alias in version.aliases}
    return pointed == {"best": scores.index(max(scores)), "latest": len(logged) - 1}


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(f"v{number}" for number in numbers) or "no version"
