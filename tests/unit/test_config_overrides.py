from __future__ import annotations

from pathlib import Path

from tests.support.configuration import loaded, problems

WEB = """
[storage]
database_url = "sqlite:///file.db"
[[destination]]
name = "web-archive.1"
stow_url = "https://x"
token = "from the file"
"""


def credentials(folder: Path, **files: str) -> dict[str, str]:
    secrets = folder / "credentials"
    secrets.mkdir()
    for name, content in files.items():
        (secrets / name).write_text(content)
    return {"CREDENTIALS_DIRECTORY": str(secrets)}


def test_the_environment_wins_over_the_file(tmp_path: Path):
    environ = {
        "LANTERN_NODE__PORT": "104",
        "LANTERN_NODE__ALLOW_ANY_CALLING_AE": "true",
        "LANTERN_WORK__DEVICE": "1",
        "LANTERN_LOG__JSON": "yes",
        "LANTERN_DESTINATION__WEB_ARCHIVE_1__TOKEN": "from the environment",
        "LANTERN_DESTINATION__WEB_ARCHIVE_1__TIMEOUT_S": "2.5",
    }
    s = loaded(tmp_path, "[node]\nport = 11113\n" + WEB, environ)
    assert (s.node.port, s.node.allow_any_calling_ae) == (104, True)
    assert s.work.device == "gpu:1"
    assert s.log.as_json is True
    assert s.destinations[0].secret == "from the environment"
    assert s.destinations[0].timeout_s == 2.5


def test_credentials_win_over_both(tmp_path: Path):
    key = {"lantern.database_url": "postgresql://u:p@h/d\n", "lantern.web-archive.1.token": "T\n", "other": "x"}
    environ = {**credentials(tmp_path, **key), "LANTERN_STORAGE__DATABASE_URL": "sqlite:///env.db"}
    s = loaded(tmp_path, WEB, environ)
    assert s.storage.database_url == "postgresql://u:p@h/d"
    assert s.destinations[0].secret == "T"


def test_the_private_key_is_used_where_systemd_put_it(tmp_path: Path):
    (tmp_path / "cert.pem").write_text("certificate")
    environ = credentials(tmp_path, **{"lantern.tls_key": "key"})
    s = loaded(tmp_path, '[tls]\ncertificate = "cert.pem"\n[node]\ntls = true', environ)
    assert s.tls.key == tmp_path / "credentials/lantern.tls_key"
    assert s.tls.certificate == tmp_path / "cert.pem"


def test_a_wrong_variable_is_named_not_ignored(tmp_path: Path):
    said = problems(
        tmp_path,
        WEB,
        {
            "LANTERN_NODE__PROT": "104",
            "LANTERN_NODES__PORT": "104",
            "LANTERN_WEB__PORT": "many",
            "LANTERN_DESTINATION__PACS__TOKEN": "s3cret",
        },
    )
    assert len(said) == 4
    text = "\n".join(said)
    assert "environment LANTERN_NODE__PROT: [node] prot: is no key of this section; did you mean 'port'?" in text
    assert "environment LANTERN_NODES__PORT: [nodes]: is no section; did you mean 'node'?" in text
    assert "environment LANTERN_WEB__PORT: [web] port: must be a whole number" in text
    assert "environment LANTERN_DESTINATION__PACS__TOKEN: [[destination]] PACS: is no destination of the file" in text
    assert "WEB_ARCHIVE_1" in text
    assert "s3cret" not in text


def test_a_wrong_credential_is_named_not_ignored(tmp_path: Path):
    environ = credentials(tmp_path, **{"lantern.pacs.token": "s3cret", "lantern.database_url": "mysql://s3cret"})
    said = problems(tmp_path, WEB, environ)
    assert len(said) == 2
    assert "credential lantern.pacs.token: [[destination]] pacs.token: is no secret of this configuration" in "\n".join(
        said
    )
    assert "credential lantern.database_url: [storage] database_url: must begin with sqlite" in "\n".join(said)
    assert "s3cret" not in "\n".join(said)


def test_variables_that_are_not_settings_are_left_alone(tmp_path: Path):
    s = loaded(tmp_path, "", {"LANTERN_CONFIG": "x", "LANTERN_PORT": "tcp://10.0.0.1:80", "PATH": "/bin", "A__B": "c"})
    assert s.node.port == 11112


def test_a_file_with_mistakes_takes_overrides_all_the_same(tmp_path: Path):
    said = problems(tmp_path, "node = 3\npeer = [1]", {"LANTERN_NODE__PORT": "1", "LANTERN_PEER__X__PORT": "1"})
    assert any(line.startswith("lantern.toml:1: [node]") or "[node]" in line for line in said)
    assert any("is no peer of the file" in line for line in said)


def test_secrets_are_not_in_the_text_form(tmp_path: Path):
    s = loaded(tmp_path, WEB, {"LANTERN_STORAGE__DATABASE_URL": "postgresql://u:s3cret@h/d"})
    assert "s3cret" not in repr(s)
    assert "from the file" not in repr(s)
    assert "from the file" not in repr(s.destinations)
