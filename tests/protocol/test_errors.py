"""The tree of errors: what crosses the wire comes back as the same class, with what to do."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from artifactd.protocol import errors
from artifactd.protocol.errors import ArtifactdError, from_code


def tree(cls: type[ArtifactdError]) -> Iterator[type[ArtifactdError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize("cls", list(tree(ArtifactdError)), ids=lambda cls: cls.__name__)
def test_an_error_comes_back_as_it_was_sent(cls: type[ArtifactdError]) -> None:
    error = cls("it broke", subject="model.bin", remedy="mend it")
    again = from_code(error.code, error.message, subject=error.subject, remedy=error.remedy)
    assert type(again) is cls
    assert str(again) == "model.bin: it broke (mend it)"


def test_no_two_errors_share_a_code() -> None:
    codes = [cls.code for cls in tree(ArtifactdError)]
    assert len(codes) == len(set(codes))


def test_a_code_of_a_newer_daemon_is_still_an_error_of_ours() -> None:
    assert type(from_code("quantum", "it broke")) is ArtifactdError


@pytest.mark.parametrize(
    ("cls", "standard"),
    [
        (errors.InvalidRequest, ValueError),
        (errors.Denied, PermissionError),
        (errors.ArtifactNotFound, LookupError),
        (errors.EntryNotFound, FileNotFoundError),
        (errors.EntryNotFound, KeyError),
        (errors.ColumnNotFound, KeyError),
        (errors.WaitTimeout, TimeoutError),
        (errors.DaemonUnavailable, ConnectionError),
        (errors.OutOfSpace, OSError),
        (errors.ArtifactFinalizedError, ValueError),
    ],
)
def test_errors_are_also_the_standard_ones_that_users_catch(
    cls: type[ArtifactdError], standard: type[Exception]
) -> None:
    assert issubclass(cls, standard)


def test_errors_survive_a_process_boundary() -> None:
    """Process pools move exceptions by pickle; the library's own classes must survive that."""
    error = errors.FileChanged("changed", subject="a", remedy="b")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), again.args, again.subject, again.remedy) == (errors.FileChanged, error.args, "a", "b")


@pytest.mark.parametrize(
    ("message", "subject", "text"),
    [
        ("no such alias exists", "x", "x: no such alias exists"),
        ("a directory is in its place", "a", "a: a directory is in its place"),
        ("the version has no entry 'a'", "a", "the version has no entry 'a'"),
        ("part /data/a.bin.1 is missing", "a.bin", "a.bin: part /data/a.bin.1 is missing"),
        ("cannot open /data/a.bin: no such file", "/data/a.bin", "cannot open /data/a.bin: no such file"),
        ("model: it broke", "model", "model: it broke"),
    ],
)
def test_what_an_error_is_about_is_named_once(message: str, subject: str, text: str) -> None:
    assert str(ArtifactdError(message, subject=subject)) == text
