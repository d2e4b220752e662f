"""Write docs/api.md from the docstrings of `artifactd.client`. With `--check`, only say whether it is current.

Annotations are shown as they are written in the source, so that the page is the same whatever Python writes it.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import artifactd.client as artifactd
from artifactd.client import _collections, _entry, _lineage, _paging
from artifactd.protocol import messages

__all__ = ["PAGE", "PRELUDE", "Member", "is_current", "members_of", "objects", "page"]

PAGE = Path(__file__).with_name("api.md")
PRELUDE = """\
import artifactd.client as artifactd

client = artifactd.Client(project="bikes")
run = artifactd.init(job_type="train")
handle = run.log_artifact("images", name="images", type="dataset", aliases=["best"])
artifact = handle.wait()
draft = artifactd.Artifact("model", "model")
api = artifactd.Api()
"""
_INTRODUCTION = """\
Every example below is run by the tests, in a directory with the files `checkpoint.pt`, `images/cat.png` and
`images/dog.png`, after this:
"""
_FIRST = ("Client", "Run", "Artifact", "Entry", "LogHandle", "Progress", "Api", "Table")
_RETURNED = (
    _paging.Pages,
    _lineage.ApiRun,
    _collections.ArtifactCollection,
    _collections.ArtifactType,
    _entry.Manifest,
    _entry.ArtifactFile,
    messages.Version,
    messages.Collection,
    messages.Submission,
)
"""What the public methods return and the package does not export."""
_WIDTH = 100
_PRIVATE = re.compile(r"\b_[A-Za-z]\w*")


class Member(NamedTuple):
    """One heading: a function, a method, or a class."""

    title: str
    value: Any
    docstring: str
    function: Any
    """What is called: of a class its constructor, None if that is not for users."""

    @property
    def signature(self) -> str:
        return _signature(self.title.rpartition(".")[2], self.function) if self.function else ""


def objects() -> Iterator[tuple[str, list[Member]]]:
    """The page's chapters, each with its functions or classes."""
    public = {name: getattr(artifactd, name) for name in artifactd.__all__ if name[0] != "_"}
    functions = [name for name, value in public.items() if inspect.isfunction(value)]
    yield "Functions", [_function(name, public[name]) for name in functions]
    classes = {name for name, value in public.items() if inspect.isclass(value)}
    errors = sorted(name for name in classes if issubclass(public[name], artifactd.ArtifactdError))
    names = [*_FIRST, *sorted(classes - set(_FIRST) - set(errors))]
    typed = {f"data_types.{name}": getattr(artifactd.data_types, name) for name in artifactd.data_types.__all__}
    stored = {name: value for name, value in typed.items() if value not in public.values()}
    yield (
        "Classes",
        [_class(name, value) for name, value in ({name: public[name] for name in names} | stored).items()],
    )
    yield "What they return", [_class(value.__name__, value) for value in _RETURNED]
    yield "Errors", [_class(name, public[name]) for name in errors]


def members_of(owner: Member) -> Iterator[Member]:
    """The methods of a class and of its private bases, in the order of the source; a function has none."""
    seen: set[str] = set()
    for name, value in ((name, value) for base in _bases(owner.value) for name, value in vars(base).items()):
        function = getattr(value, "__func__", value)
        # What dataclasses and named tuples generate has no docstring, or comes from another module.
        ours = isinstance(function, FunctionType) and function.__module__.startswith("artifactd.")
        shown = not name.startswith("_") or (name.startswith("__") and name != "__init__" and function.__doc__)
        if ours and shown and name not in seen:
            yield _function(f"{owner.title}.{name}", function)
        seen.add(name)


def attributes_of(owner: type) -> Iterator[tuple[str, str, str]]:
    """Name, type and meaning of each property and field."""
    for base in _bases(owner):
        for name, value in vars(base).items():
            if isinstance(value, property) and not name.startswith("_"):
                yield name, _annotation(value.fget, "return"), _doc(value)
        if hasattr(base, "__dataclass_fields__") or hasattr(base, "_fields"):
            yield from _fields(base)


def page() -> str:
    """The whole page."""
    chapters = list(objects())
    lines = [
        "# The Python API",
        "",
        "<!-- Written by docs/make_api.py: change the docstrings, then `make docs`. -->",
    ]
    lines += ["", _prose(_doc(artifactd)), _INTRODUCTION, f"```python\n{PRELUDE}```\n", *_contents(chapters)]
    for chapter, owners in chapters:
        lines += ["", f"## {chapter}", ""]
        lines += _errors(owners) if chapter == "Errors" else [_rendered(owner) for owner in owners]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def is_current() -> bool:
    """Whether the page is what the docstrings say."""
    return PAGE.exists() and PAGE.read_text() == page()


def _contents(chapters: Sequence[tuple[str, list[Member]]]) -> list[str]:
    lines = ["## Contents", ""]
    used = Counter({"the-python-api": 1, "contents": 1})

    def link(title: str) -> str:
        # As Markdown viewers name headings: the second of one name gets a number.
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        used[anchor] += 1
        unique = anchor if used[anchor] == 1 else f"{anchor}-{used[anchor] - 1}"
        return f"[{title.rpartition('.')[2]}](#{unique})"

    for chapter, owners in chapters:
        lines.append(f"- {link(chapter)}")
        for owner in owners if chapter != "Errors" else ():
            of_owner = [link(member.title) for member in (owner, *members_of(owner))]
            lines.append(
                f"  - {': '.join((of_owner[0], ', '.join(of_owner[1:]))) if of_owner[1:] else of_owner[0]}"
            )
    return lines


def _rendered(owner: Member) -> str:
    parts = [f"### {owner.title}", "", _fenced(owner.signature), _prose(owner.docstring)]
    if inspect.isclass(owner.value):
        rows = [
            f"| `{name}` | `{_cell(kind)}` | {_cell(text)} |" for name, kind, text in attributes_of(owner.value)
        ]
        if rows:
            parts += ["| attribute | type | |", "|---|---|---|", *rows, ""]
        for member in members_of(owner):
            parts += [f"#### {member.title}", "", _fenced(member.signature), _prose(member.docstring)]
    return "\n".join(parts)


def _errors(owners: list[Member]) -> list[str]:
    root = next(owner for owner in owners if owner.value is artifactd.ArtifactdError)
    lines = [_prose(root.docstring), "| error | is also | |", "|---|---|---|"]
    for owner in owners:
        bases = ", ".join(f"`{base.__name__}`" for base in owner.value.__bases__)
        lines.append(f"| `{owner.title}` | {bases} | {_cell(_split(owner.docstring)[0])} |")
    return lines


def _function(title: str, function: Any) -> Member:
    return Member(title, function, _doc(function), function)


def _class(name: str, value: type) -> Member:
    """A constructor that has no docstring is not for users, nor is that of a class which is not exported."""
    constructor = vars(value).get("__init__")
    if value in _RETURNED or constructor is None or not constructor.__doc__:
        return Member(name, value, _doc(value), None)
    about, example = _split(_doc(value))
    return Member(name, value, "\n\n".join(filter(None, (about, _doc(constructor), example))), constructor)


def _split(docstring: str) -> tuple[str, str]:
    """What it says, and its examples at the end."""
    about, mark, example = docstring.partition("\n\n>>>")
    return about, (mark + example).lstrip()


def _bases(owner: object) -> list[type]:
    return [base for base in getattr(owner, "__mro__", ()) if base.__module__.startswith("artifactd.")]


def _fields(owner: type) -> Iterator[tuple[str, str, str]]:
    """The fields of a dataclass or named tuple, with the strings that follow them in the source."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)
    for node, following in zip(definition.body, [*definition.body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            said = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            meaning = str(following.value.value) if said else ""  # type: ignore[attr-defined]
            yield ast.unparse(node.target), ast.unparse(node.annotation), meaning


def _signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    returned = "" if name[0].isupper() else f" -> {_annotation(function, 'return')}"
    shown: list[str] = []
    parameters = [each for each in signature.parameters.values() if each.name not in ("self", "cls")]
    for kind, group in groupby(parameters, key=lambda each: each.kind):
        if kind is inspect.Parameter.KEYWORD_ONLY:
            shown.append("*")
        shown += [_parameter(function, each) for each in group]
    line = f"{name}({', '.join(shown)}){returned}"
    if len(line) <= _WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {each},\n" for each in shown) + f"){returned}"


def _parameter(function: Any, parameter: inspect.Parameter) -> str:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}: {_annotation(function, parameter.name)}"
    if parameter.default is inspect.Parameter.empty:
        return text
    default = parameter.default
    return f"{text} = {json.dumps(default) if isinstance(default, str) else repr(default)}"


def _annotation(function: Any, name: str) -> str:
    """As it is in the source, with the module's private aliases spelled out."""
    function = inspect.unwrap(function)
    known = function.__globals__
    return _PRIVATE.sub(lambda alias: str(known.get(alias[0], alias[0])), function.__annotations__[name])


def _doc(value: Any) -> str:
    return inspect.cleandoc(value.__doc__ or "")


def _prose(docstring: str) -> str:
    """Markdown: examples and indented code become fenced blocks."""
    parts = []
    for kind, paragraphs in groupby(docstring.split("\n\n"), key=_kind):
        text = "\n\n".join(paragraphs)
        parts.append(f"```{kind}\n{textwrap.dedent(text)}\n```" if kind else text)
    return "\n\n".join(parts) + "\n"


def _kind(paragraph: str) -> str:
    if paragraph.lstrip().startswith(">>>"):
        return "pycon"
    return "python" if paragraph.startswith("    ") else ""


def _fenced(code: str) -> str:
    return f"```python\n{code}\n```\n" if code else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if is_current() else "docs/api.md is not current: run `make docs`")
    PAGE.write_text(page())
