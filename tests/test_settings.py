"""Settings: who wins, and what a bad one says."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import BaseModel

from artifactd.daemon.catalog_url import shown_catalog_url
from artifactd.daemon.settings import BadSetting, Settings, load
from artifactd.daemon.store_url import split_store_url


def config(home: Path, text: str) -> Path:
    home.mkdir(exist_ok=True)
    path = home / "artifactd.toml"
    path.write_text(text)
    return path


def test_defaults_need_nothing_but_a_home(tmp_path: Path) -> None:
    settings = load(home=tmp_path, environ={})
    assert settings.store_url == f"file://{tmp_path}/blobs"
    assert settings.catalog_url == f"sqlite:///{tmp_path}/catalog.db"
    assert settings.socket == tmp_path / "artifactd.sock"


def test_the_command_line_beats_the_environment_beats_the_file(tmp_path: Path) -> None:
    config(
        tmp_path, '[store]\nurl = "file:///file"\n[catalog]\nurl = "sqlite:////file.db"\n[spool]\nreserve = 1\n'
    )
    environ = {"ARTIFACTD_STORE": "s3://env/x", "ARTIFACTD_CATALOG": "sqlite:////env.db"}
    settings = load(home=tmp_path, store="file:///flag", environ=environ)
    assert settings.store_url == "file:///flag"
    assert settings.catalog_url == "sqlite:////env.db"
    assert settings.spool.reserve == 1


def test_a_catalog_of_several_nodes_is_shown_without_secrets(tmp_path: Path) -> None:
    url = f"postgresql://me:{quote(SECRET, safe='')}@db1:5433/fleet?sslmode=verify-full&password={SECRET}"
    settings = load(home=tmp_path, store="s3://bucket", catalog=url, environ={})
    assert settings.catalog_url == url
    assert shown_catalog_url(url) == "postgresql://db1:5433/fleet"


def test_nested_settings_come_from_the_environment(tmp_path: Path) -> None:
    environ = {
        "ARTIFACTD_STORE": "s3://bucket",
        "ARTIFACTD_STORE__S3__ENDPOINT_URL": "http://127.0.0.1:9000",
        "ARTIFACTD_SPOOL__RESERVE": "5",
        "ARTIFACTD_PROJECT": "a client's",
    }
    settings = load(home=tmp_path, environ=environ)
    assert settings.store.s3.endpoint_url == "http://127.0.0.1:9000"
    assert settings.spool.reserve == 5


def test_a_named_config_file_is_read_instead_of_the_homes(tmp_path: Path) -> None:
    config(tmp_path, "[spool]\nreserve = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("[spool]\nreserve = 2\n")
    assert load(home=tmp_path, config=other, environ={}).spool.reserve == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[spool]\nreserve = "much"\n', ["artifactd.toml", "spool.reserve", "'much'", "integer"]),
        ("[spool]\nreserve = -1\n", ["spool.reserve", "-1", "greater than or equal to 0"]),
        ("[spool]\nrezerve = 1\n", ["artifactd.toml", "spool.rezerve", "no such setting"]),
        ("[store.s3]\npart_size = 1\n", ["store.s3.part_size", "greater than or equal to 5242880"]),
        ('[store.s3]\nsse = "rot13"\n', ["store.s3.sse", "rot13", "AES256"]),
        ('[store.s3]\nkms_key_id = "key"\n', ["store.s3.kms_key_id", "needs sse"]),
        ('[store.s3]\nstorage_class = "GLACIER"\n', ["store.s3.storage_class", "restored"]),
        ('[store.s3]\nca_bundle = "/no/such/file"\n', ["store.s3.ca_bundle", "/no/such/file"]),
        ('[store]\nurl = "ftp://x"\n', ["store.url", "ftp://x", "use file:///dir"]),
        ('[store.s3]\naddressing_style = "odd"\n', ["store.s3.addressing_style", "'odd'", "'path'"]),
        ('[store]\nurl = "gs:///nowhere"\n', ["store.url", "gs:///nowhere", "gs://bucket/prefix"]),
        ("[store.gcs]\nchunk_size = 1000000\n", ["store.gcs.chunk_size", "1000000", "multiple of 262144"]),
        ('[store.gcs]\nkms_key = "mine"\n', ["store.gcs.kms_key", "'mine'", "projects"]),
        ('[store.gcs]\nendpoint_url = "http://me:pw@host"\n', ["store.gcs.endpoint_url", "without credentials"]),
        ('[store.gcs]\nca_bundle = "/no/such/file"\n', ["store.gcs.ca_bundle", "/no/such/file"]),
        ('[catalog]\nurl = "mysql://x/y"\n', ["catalog.url", "mysql://x/y", "postgresql://"]),
        ('[catalog]\nurl = "postgresql://db/fleet"\n', ["artifactd.toml", "catalog.url", "set store.url"]),
        ("[upload]\nsubmissions = 0\n", ["upload.submissions", "0"]),
        ("spool = 3\n[store\n", ["artifactd.toml", "cannot be read"]),
    ],
)
def test_a_bad_setting_is_named_with_its_file_key_value_and_what_would_be_right(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    config(tmp_path, text)
    with pytest.raises(BadSetting) as caught:
        load(home=tmp_path, environ={})
    for word in words:
        assert word in str(caught.value)


def test_a_bad_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"environment ARTIFACTD_SPOOL__RESERVE: spool.reserve = 'x'"):
        load(home=tmp_path, environ={"ARTIFACTD_SPOOL__RESERVE": "x"})


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"missing.toml"):
        load(home=tmp_path, config=tmp_path / "missing.toml", environ={})


def test_a_home_too_deep_for_a_socket_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="ARTIFACTD_SOCKET"):
        load(home=tmp_path / ("x" * 100), environ={})


def test_the_cache_takes_a_size_in_bytes_or_its_default(tmp_path: Path) -> None:
    assert load(home=tmp_path, environ={}).cache.size is None
    assert load(home=tmp_path, environ={"ARTIFACTD_CACHE__SIZE": "0"}).cache.size == 0
    with pytest.raises(BadSetting, match="ARTIFACTD_CACHE__SIZE"):
        load(home=tmp_path, environ={"ARTIFACTD_CACHE__SIZE": "-1"})


def test_references_are_allowed_by_a_comma_separated_list(tmp_path: Path) -> None:
    config(tmp_path, '[references.buckets]\nteam = ["shared"]\n')
    environ = {"ARTIFACTD_REFERENCES_ALLOW": "http://169.254.169.254/data/*, https://*.intern"}
    settings = load(home=tmp_path, environ=environ)
    assert settings.references.allow == ("http://169.254.169.254/data/*", "https://*.intern")
    assert settings.references.buckets == {"team": ("shared",)}
    with pytest.raises(BadSetting, match=r"ARTIFACTD_REFERENCES_ALLOW: references\.allow"):
        load(home=tmp_path, environ={"ARTIFACTD_REFERENCES_ALLOW": "169.254.169.254"})


SECRET = "hun/ter+2"
WITH_SECRETS = {
    ("store", "url"): (
        f"s3://AKIA:{SECRET}@bucket",
        f"s3://AKIA:{SECRET}",
        f"s3:AKIA:{SECRET}@bucket",
        f"s3://bucket/prefix?secret={SECRET}",
        f"gs://user:{SECRET}@bucket/prefix",
        f"gs://bucket#{SECRET}",
        f"{SECRET}@bucket",
        f"//[{SECRET}@bucket",
    ),
    ("store", "s3", "endpoint_url"): (
        f"http://me:{SECRET}@host:9000",
        f"https://host/?X-Amz-Signature={SECRET}",
        f"http://me:{SECRET}@bad host",
        f"me:{SECRET}@host",
    ),
    ("store", "s3", "proxy"): (f"http://me:{SECRET}@proxy:3128",),
    ("store", "gcs", "endpoint_url"): (f"http://me:{SECRET}@host",),
    ("catalog", "url"): (
        f"postgres://me:{SECRET}@host/db",
        f"postgresql://me:{SECRET}@host",
        f"postgresql://me:{SECRET}@host:x/db",
        f"postgresql://me:pass#{SECRET}@host/db",
        f"sqlite://me:{SECRET}@host/db",
    ),
    ("store", "s3", "secret_access_key"): (SECRET,),
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WITH_SECRETS.items() for value in values]
)
def test_a_secret_in_a_setting_is_refused_with_where_it_was_and_what_is_right_and_not_shown(
    tmp_path: Path, key: tuple[str, ...], value: str
) -> None:
    *tables, name = key
    file = config(tmp_path, f'[{".".join(tables)}]\n{name} = "{value}"\n')
    with pytest.raises(BadSetting) as caught:
        load(home=tmp_path, environ={})
    said = str(caught.value)
    assert str(file) in said
    assert ".".join(key) in said
    assert re.search("use (http|file|sqlite)|there is no such setting", said)
    assert "hun" not in said
    assert "ter+2" not in said


def test_a_server_may_have_a_port_and_a_path(tmp_path: Path) -> None:
    for url in ("https://s3.example.org", "http://[::1]:9000", "http://10.0.0.1:8080/swift/v1"):
        environ = {"ARTIFACTD_STORE__S3__ENDPOINT_URL": url}
        assert load(home=tmp_path, environ=environ).store.s3.endpoint_url == url


def test_a_home_may_have_any_name(tmp_path: Path) -> None:
    home = tmp_path / "a home #1?"
    assert split_store_url(load(home=home, environ={}).store_url).path.endswith("/a%20home%20%231%3F/blobs")


def _written(model: type[BaseModel], table: str = "") -> list[str]:
    """How the README writes each setting: `[table] key`, or `[table.key]` for a key that is a table itself."""
    names = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += _written(kind, f"{table}.{name}".lstrip("."))
        elif isinstance(field.default, dict):
            names.append(f"[{table}.{name}]")
        elif table:
            names.append(f"[{table}] {name}")
    return names


def test_the_readme_names_every_setting() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    settings = _written(Settings)
    assert {"[references.buckets]", "[store.s3] region"} < set(settings)
    assert [name for name in settings if f"| `{name}" not in readme] == []
