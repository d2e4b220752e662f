"""The policies in `docs/stores.md` allow exactly what the code asks for."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

import artifactd.daemon.stores.factory
from artifactd.daemon.stores.doctor.s3_permissions import PERMISSIONS, ROLES

STORES = Path(artifactd.daemon.stores.factory.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "stores.md").read_text()
OF_DOCTOR = {"get_bucket_versioning": "s3:GetBucketVersioning"} | {
    "get_object_lock_configuration": "s3:GetBucketObjectLockConfiguration"
}
OWN_PREFIXES = ("artifacts/ada/*", "artifacts/artifactd-probe/*", "artifacts/*")


def documents() -> dict[str, Any]:
    """The JSON on the page, by its heading."""
    found = re.findall(r"^### ([^\n]+)$(?:(?!^#).)*?```json\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    return {title: json.loads(text) for title, text in found}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def actions(policy: dict[str, Any]) -> set[str]:
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"])
    return {action for statement in policy["Statement"] for action in listed(statement["Action"])}


def requests_in(*paths: Path) -> set[str]:
    """The S3 requests that are named in some files."""
    model = botocore.session.Session().get_service_model("s3")
    known = {xform_name(name) for name in model.operation_names}
    strings = {
        node.value
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return known & strings


def test_the_table_of_permissions_has_every_request_of_the_store_and_no_other() -> None:
    assert requests_in(*STORES.glob("s3/*.py")) == PERMISSIONS.keys()


def test_doctor_tries_every_one_of_them() -> None:
    tries = requests_in(*STORES.glob("doctor/s3*.py"))
    assert tries == PERMISSIONS.keys() | OF_DOCTOR.keys()
    assert all(action in PAGE for action in OF_DOCTOR.values())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_policy_has_exactly_the_actions_of_its_role(role: Any) -> None:
    assert actions(documents()[f"S3: {role.name}"]) == role.needs


def test_together_the_roles_need_what_the_code_asks_for() -> None:
    assert set().union(*(role.needs for role in ROLES)) == set(PERMISSIONS.values())


@pytest.mark.parametrize("role", ["uploader", "reader", "gc"])
def test_objects_and_lists_are_bound_to_the_prefix(role: str) -> None:
    for statement in documents()[f"S3: {role}"]["Statement"]:
        resources = listed(statement["Resource"])
        if statement["Sid"] == "Objects":
            assert {name.removeprefix("arn:aws:s3:::my-bucket/") for name in resources} <= set(OWN_PREFIXES)
        else:
            assert resources == ["arn:aws:s3:::my-bucket"]
        if "s3:ListBucket" in listed(statement["Action"]):
            assert set(statement["Condition"]["StringLike"]["s3:prefix"]) <= set(OWN_PREFIXES)


def test_only_the_collector_may_delete() -> None:
    page = documents()
    may = {
        title for title in ("S3: uploader", "S3: reader", "S3: gc") if "s3:DeleteObject" in actions(page[title])
    }
    assert may == {"S3: gc"}


def test_lifecycle_rules_sweep_uploads_and_probes_and_nothing_that_is_in_use() -> None:
    rules = documents()["S3: lifecycle"]["Rules"]
    expiring = [rule["Filter"]["Prefix"] for rule in rules if "Expiration" in rule]
    assert expiring == ["artifacts/artifactd-probe/"]
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    (rule,) = documents()["GCS: lifecycle"]["lifecycle"]["rule"]
    assert rule["condition"]["matchesPrefix"] == expiring


def test_the_key_policy_lets_uploaders_encrypt_and_readers_decrypt() -> None:
    statements = documents()["S3: KMS key policy"]["Statement"]
    allowed = {statement["Sid"]: set(listed(statement["Action"])) for statement in statements}
    assert allowed == {"Uploaders": {"kms:GenerateDataKey", "kms:Decrypt"}, "Readers": {"kms:Decrypt"}}
