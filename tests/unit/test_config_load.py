from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.checks import check_pipelines, remarks
from config.load import load
from config.problems import refuse
from config.settings import Settings
from pipeline.core.errors import ConfigInvalid
from pipeline.core.route import ALWAYS, Destination, LateImages, Op, Peer, Route, Test
from tests.support.configuration import loaded, problems, written

REPOSITORY = Path(__file__).parents[2]


def test_an_empty_file_is_enough(tmp_path: Path):
    s = loaded(tmp_path, "")
    assert (s.node.ae_title, s.node.host, s.node.port) == ("LANTERN", "0.0.0.0", 11112)
    assert s.node.allow_any_calling_ae is False
    assert (s.web.host, s.web.port) == ("127.0.0.1", 8080)
    assert s.storage.archive_dir == tmp_path / "lantern-data/archive"
    assert s.storage.database_url == f"sqlite:///{tmp_path}/lantern-data/lantern.db"
    assert (s.peers, s.destinations, s.routes) == ((), (), ())
    assert s.called_ae_titles == ("LANTERN",)


def test_the_ledger_is_beside_the_archive_wherever_that_is(tmp_path: Path):
    s = loaded(tmp_path, '[storage]\narchive_dir = "/srv/lantern/images"')
    assert s.storage.database_url == "sqlite:////srv/lantern/lantern.db"


def test_relative_paths_begin_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    s = loaded(tmp_path, '[storage]\narchive_dir = "a/b"\ndatabase_url = "sqlite:///c.db"')
    assert s.storage.archive_dir == tmp_path / "a/b"
    assert s.storage.database_url == f"sqlite:///{tmp_path}/c.db"


def test_peers_destinations_and_routes_are_those_of_the_core(tmp_path: Path):
    s = loaded(
        tmp_path,
        """
        [deliver]
        park_after_s = 7
        [[peer]]
        name = "mr"
        ae_title = " MR 1 "
        host = "10.0.0.1"
        [[destination]]
        name = "pacs"
        ae_title = "PACS"
        host = "fe80::1"
        port = 104
        [[destination]]
        name = "web"
        stow_url = "https://x/dicom-web"
        park_after_s = 9
        [[route]]
        name = "brain"
        pipeline = "srs"
        called_ae = "BRAIN"
        when = { Modality = "MR" }
        destinations = ["pacs", "web"]
        late_images = "alert"
        options = { threshold = 0.5 }
        [[route]]
        name = "rest"
        pipeline = "srs"
        called_ae = ["BRAIN", "REST"]
        """,
    )
    assert s.peers == (Peer("mr", "MR 1", "10.0.0.1", 0),)
    assert s.destinations == (
        Destination("pacs", "PACS", "fe80::1", 104, park_after_s=7.0),
        Destination("web", stow_url="https://x/dicom-web", park_after_s=9.0),
    )
    assert s.routes == (
        Route(
            "brain",
            "srs",
            ("pacs", "web"),
            called_ae=("BRAIN",),
            when=Test("Modality", Op.EQUALS, "MR"),
            late_images=LateImages.ALERT,
            options={"threshold": 0.5},
        ),
        Route("rest", "srs", (), called_ae=("BRAIN", "REST"), when=ALWAYS),
    )
    assert s.called_ae_titles == ("LANTERN", "BRAIN", "REST")


def test_every_problem_is_said_at_once_with_its_line(tmp_path: Path):
    said = problems(
        tmp_path,
        """
        [node]
        ae_title = "SEVENTEEN_LETTERS"
        prot = 104
        port = 70000

        [routes]
        [[destination]]
        name = "pacs"
        ae_title = "PACS"
        port = 0
        [[destination]]
        name = "PACS"
        stow_url = "ftp://x"
        [[route]]
        name = "r"
        pipeline = "srs"
        destinations = [
          "pacs",
          "pasc",
        ]
        verify_with = "nobody"
        quiet_period_s = -1
        when = { Modalty = "MR", EchoTime = { regex = "(" } }
        """,
    )
    assert [line.partition(": ")[0] for line in said] == [
        f"lantern.toml:{n}" for n in (2, 3, 4, 6, 7, 10, 12, 13, 19, 21, 22, 23, 23)
    ]
    text = "\n".join(said)
    for expected in (
        "[node] ae_title: must have at most 16 characters",
        "[node] prot: is no key of this section; did you mean 'port'?",
        "[node] port: must be <= 65535; ",
        "[routes]: is no section; did you mean 'route'?",
        "[[destination]]: must have host as well, or a stow_url",
        "[[destination]] port: must be >= 1; ",
        "[[destination]] name: 'PACS' is taken",
        "[[destination]] stow_url: must begin with http:// or https://",
        "[[route]] destinations[1]: no destination is called 'pasc'; did you mean 'pacs'?",
        "[[route]] verify_with: no peer is called 'nobody'",
        "[[route]] quiet_period_s: must be >= 0; seconds without a new image",
        "[[route]] when.Modalty: is no DICOM keyword; did you mean 'Modality'?",
        "[[route]] when.EchoTime.regex: is no regular expression",
    ):
        assert expected in text
    assert all("; " in line for line in said if "must be" in line), "a hint on each"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = = 1", "lantern.toml:1: is not TOML: Invalid value"),
        ('# one\n\n[node]\nhost = "x', "lantern.toml:4: is not TOML"),
        ("[node]\nport = 1\nport = 2", "lantern.toml:3: is not TOML: Cannot overwrite a value"),
        ("[node]\nport = true", "lantern.toml:2: [node] port: must be a number, not true or false"),
        ("[node]\nport = 1.5", "lantern.toml:2: [node] port: must be a whole number"),
        ("[node]\nhost = 1", "lantern.toml:2: [node] host: must be text, in quotes"),
        ("[node]\nidle_timeout_s = inf", "lantern.toml:2: [node] idle_timeout_s: must be a finite number"),
        ('[node]\nae_title = "   "', "lantern.toml:2: [node] ae_title: must not be empty or only spaces"),
        ("[node]\nae_title = 'A\\B'", "lantern.toml:2: [node] ae_title: must not have a backslash"),
        ('[node]\nae_title = "A\\tB"', "lantern.toml:2: [node] ae_title: must not have a backslash, a control"),
        ('[node]\nae_title = "RÖNTGEN"', "lantern.toml:2: [node] ae_title: must not have a backslash"),
        ('[web]\nhost = "http://x"', "lantern.toml:2: [web] host: must be a host name or an IP address"),
        ('[web]\nhost = "x:80"', "lantern.toml:2: [web] host: must not have a port in it"),
        ("[web]\nport = 11112", "lantern.toml:2: [web] port: is also the port of [node]"),
        ("[[node]]", "lantern.toml:1: [node]: must be written as [node], in single brackets"),
        ("[route]", "lantern.toml:1: [[route]]: must be written as [[route]], in double brackets"),
        ("node = 3", "lantern.toml:1: [node]: must be written as [node], in single brackets"),
        ('[work]\nexecutor = "thread"', "lantern.toml:2: [work] executor: must be 'inline', 'process' or 'ray'"),
        ('[work]\ndevice = "gpu:x"', 'lantern.toml:2: [work] device: must be "auto", "cpu", "gpu"'),
        ('[storage]\ndatabase_url = "mysql://x"', "lantern.toml:2: [storage] database_url: must begin with sqlite"),
        ('[storage]\ndatabase_url = "sqlite://"', "lantern.toml:2: [storage] database_url: must name a file"),
        ('[storage]\ndatabase_url = "sqlite:///:memory:"', "lantern.toml:2: [storage] database_url: must name a file"),
        ('[tls]\ncertificate = "none.pem"', "lantern.toml:2: [tls] certificate: no such file"),
        ('[tls]\nkey = "lantern.toml"', "lantern.toml:1: [tls]: must have both `certificate` and `key`"),
        ("[node]\ntls = true", "lantern.toml:2: [node] tls: needs a certificate"),
        ("[[peer]]\nname = 'p'\nhost = 'h'", "lantern.toml:1: [[peer]] ae_title: is missing; the AE title it calls"),
        ("[[peer]]\nname = '../p'", "lantern.toml:2: [[peer]] name: must be 1 to 64 letters"),
        (
            "[[destination]]\nname = 'w'\nstow_url = 'http://x'\nport = 1",
            "lantern.toml:1: [[destination]]: must have either a stow_url, or ae_title, host and port",
        ),
        (
            "[[destination]]\nname = 'w'\nae_title = 'A'\nhost = 'h'\nport = 1\ntoken = 's3cret'",
            "lantern.toml:1: [[destination]]: must not have a token",
        ),
        (
            "[[peer]]\nname='p'\nae_title='P'\nhost='h'\n[[route]]\nname='r'\npipeline='x'\nverify_with='p'",
            "lantern.toml:8: [[route]] verify_with: peer 'p' cannot be asked; give it the `port`",
        ),
        (
            "[[route]]\nname='r'\npipeline='x'\npriors_from='p'",
            "lantern.toml:4: [[route]] priors_from: no peer is called 'p'",
        ),
        (
            "[[peer]]\nname='p'\nae_title='P'\nhost='h'\nretrieve='get'\n"
            "[[route]]\nname='r'\npipeline='x'\npriors_from='p'",
            "lantern.toml:9: [[route]] priors_from: peer 'p' cannot be asked; give it the `port`",
        ),
        (
            "[[peer]]\nname='p'\nae_title='P'\nhost='h'\nport=104\n[[route]]\nname='r'\npipeline='x'\npriors_from='p'",
            "lantern.toml:9: [[route]] priors_from: nothing can be fetched from peer 'p'; give it `retrieve",
        ),
        ("[[peer]]\nname='p'\nretrieve='take'", "lantern.toml:3: [[peer]] retrieve: must be 'get', 'move' or ''"),
        ("[[route]]\nname='r'\nmost_priors=0", "lantern.toml:3: [[route]] most_priors: must be >= 1"),
    ],
)
def test_one_mistake_gives_one_line(tmp_path: Path, text: str, expected: str):
    said = [line for line in problems(tmp_path, text) if line.startswith(expected)]
    assert len(said) == 1
    assert "s3cret" not in "".join(problems(tmp_path, text))


def test_a_file_of_another_encoding_says_the_line(tmp_path: Path):
    file = tmp_path / "lantern.toml"
    file.write_bytes(b"# one\n# R\xf6ntgen\n")
    with pytest.raises(ConfigInvalid, match=r"lantern\.toml:2: is not UTF-8"):
        load(file, {})


def test_a_byte_order_mark_does_no_harm(tmp_path: Path):
    file = tmp_path / "lantern.toml"
    file.write_bytes(b"\xef\xbb\xbf[node]\r\nport = 4000\r\n")
    assert load(file, {}).node.port == 4000


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml", {})


def test_without_any_file_the_node_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("config.load.SEARCHED", (Path("lantern.toml"), tmp_path / "etc.toml"))
    with pytest.raises(ConfigInvalid, match=r"looked at --config, \$LANTERN_CONFIG, lantern.toml"):
        load(None, {})


def test_the_file_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("config.load.SEARCHED", (Path("lantern.toml"), tmp_path / "etc.toml"))
    for name, port in (("etc.toml", 1001), ("lantern.toml", 1002), ("named.toml", 1003), ("given.toml", 1004)):
        (tmp_path / name).write_text(f"[node]\nport = {port}")
    named = {"LANTERN_CONFIG": str(tmp_path / "named.toml")}
    assert load(tmp_path / "given.toml", named).node.port == 1004
    assert load(None, named).node.port == 1003
    assert load(None, {}).node.port == 1002
    (tmp_path / "lantern.toml").unlink()
    assert load(None, {}).node.port == 1001


def test_settings_do_not_change(tmp_path: Path):
    with pytest.raises(ValueError, match="frozen"):
        loaded(tmp_path, "").node.port = 1


@given(st.text(max_size=24))
def test_an_ae_title_is_what_ps35_says(text: str):
    stripped = text.strip(" ")
    allowed = 1 <= len(stripped) <= 16 and stripped.isascii() and stripped.isprintable() and "\\" not in stripped
    try:
        title = Settings.model_validate({"node": {"ae_title": text}}).node.ae_title
    except ValueError:
        assert not allowed
    else:
        assert allowed
        assert title == stripped


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["name", "port", "host", "when", "destinations", "verify_with", "stow_url", "tls", "x", "json"])
tables = st.dictionaries(keys, json_like, max_size=4)
sections = st.sampled_from(["node", "web", "storage", "tls", "log", "route", "peer", "destination", "routes"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(sections, json_like | tables | st.lists(tables | json_like, max_size=3), max_size=4))
def test_whatever_the_file_holds_it_is_taken_or_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: dict[str, object]
):
    with monkeypatch.context() as patch:
        patch.setattr("config.load._parsed", lambda _: (data, None))
        try:
            settings_made = load(written(tmp_path, ""), {})
        except ConfigInvalid as error:
            assert all(line.startswith("lantern.toml") for line in error.message.splitlines() if line.strip())
        else:
            assert len(settings_made.routes) == len(settings_made.route)


def test_pipelines_that_are_not_registered_are_named_with_their_line(tmp_path: Path):
    s = loaded(
        tmp_path,
        """
        [[route]]
        name = "a"
        pipeline = "srz"
        [[route]]
        name = "b"
        pipeline = "some.module:PIPELINE"
        [[route]]
        name = "c"
        pipeline = "srs"
        """,
    )
    with pytest.raises(ConfigInvalid) as refused:
        refuse(s.source, check_pipelines(s, {"srs", "mammography"}))
    assert refused.value.message == (
        "lantern.toml:3: [[route]] pipeline: no pipeline is called 'srz'; did you mean 'srs'?"
    )
    refuse(s.source, check_pipelines(s, {"srs", "srz"}))


def test_what_is_allowed_but_perhaps_not_meant_is_remarked(tmp_path: Path):
    text = " ".join(remarks(loaded(tmp_path, "")))
    assert "nobody may send" in text
    assert "nothing is computed" in text
    open_house = loaded(tmp_path, "[node]\nallow_any_calling_ae = true\n[web]\nhost = '0.0.0.0'\nport = 81")
    text = " ".join(remarks(open_house))
    assert "any system that reaches the port may send" in text
    assert "admin pages" in text


def test_a_readable_token_in_the_file_is_remarked(tmp_path: Path):
    text = "[[destination]]\nname = 'w'\nstow_url = 'http://x'\ntoken = 'T'"
    s = loaded(tmp_path, text)
    (tmp_path / "lantern.toml").chmod(0o644)
    assert any("others on this machine can read" in r for r in remarks(s))
    assert any("unencrypted" in r for r in remarks(s))
    (tmp_path / "lantern.toml").chmod(0o600)
    assert not any("others on this machine can read" in r for r in remarks(s))
