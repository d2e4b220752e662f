"""How users name collections, projects and runs. Pure."""

from __future__ import annotations

from artifactd.protocol import names
from artifactd.protocol.errors import InvalidRequest

__all__ = ["parse_collection", "parse_project", "parse_run"]


def parse_collection(path: str, *, entity: str, project: str) -> names.Address:
    """Read `name`, `project/name` or `entity/project/name`, without an alias."""
    if isinstance(path, str) and ":" in path:
        raise InvalidRequest("a collection has no alias", subject=path, remedy="leave out the colon")
    return names.Address.parse(path, entity=entity, project=project)


def parse_project(path: str | None, *, entity: str, project: str) -> tuple[str, str]:
    """Read `project` or `entity/project`; None is the default. Gives (entity, project)."""
    *owner, name = _parts(path, 2, "[entity/]project") if path else [project]
    return names.check_scope(owner[0] if owner else entity, "entity"), names.check_scope(name, "project")


def parse_run(path: str, *, entity: str, project: str) -> tuple[str, str, str]:
    """Read `id`, `project/id`, `entity/project/id` or `entity/project/runs/id`. Gives (entity, project, id)."""
    parts = _parts(path, 4, "[[entity/]project/]id")
    if len(parts) == 4 and parts.pop(2) != "runs":
        raise InvalidRequest("the path of a run is not understood", subject=path)
    *scope, id = parts
    scope = [entity, project][: 2 - len(scope)] + scope
    return (
        names.check_scope(scope[0], "entity"),
        names.check_scope(scope[1], "project"),
        names.check_scope(id, "run id"),
    )


def _parts(path: object, most: int, form: str) -> list[str]:
    parts = path.strip("/").split("/") if isinstance(path, str) else []
    if not 0 < len(parts) <= most:
        raise InvalidRequest(f"the path {path!r} is not understood", remedy=f"write {form}")
    return parts
