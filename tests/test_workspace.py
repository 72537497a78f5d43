"""The workspace: found from below, read without a mistake when new, and never overwritten."""

import re
import stat
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import BaseModel

from secscan.credential import Credential, Jump
from secscan.inventory import AgencyFile, load_inventory
from secscan.scope import ScopeFile, load_scope
from secscan.toml_source import ConfigurationError
from secscan.workspace import (
    Authorities,
    Settings,
    Workspace,
    WorkspaceError,
    around,
    find_workspace,
    load_settings,
    places_unknown,
    read_anchors,
    write_new,
)
from secscan.workspace.settings import SettingsFile

TODAY = date(2026, 6, 1)


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return write_new(tmp_path / "new", today=TODAY)


# --- A new one --------------------------------------------------------------------------------------------


def test_a_new_workspace_has_no_mistake(place: Workspace) -> None:
    assert place.load_settings().profile == "baseline"
    assert len(place.load_inventory().hosts) == 2
    assert place.load_anchors() == Authorities()


def test_a_new_scope_is_valid_for_a_year(place: Workspace) -> None:
    assert place.load_scope().expires == date(2027, 6, 1)


def test_a_new_scope_holds_every_host_of_the_new_inventory(place: Workspace) -> None:
    allowed = place.load_scope().allowed_addresses
    addresses = [a for host in place.load_inventory().hosts.values() for a in host.addresses]
    assert addresses
    assert all(address in allowed for address in addresses)


def test_a_new_workspace_looks_nothing_up(place: Workspace) -> None:
    assert not any(host.names and host.resolve for host in place.load_inventory().hosts.values())


def test_every_example_is_right_when_its_mark_is_taken_off(place: Workspace) -> None:
    for path in (place.settings, place.scope, place.inventory / "example.toml", place.waivers):
        text = re.sub(r"^( *)#(?=[a-z\[])", r"\1", path.read_text("utf-8"), flags=re.MULTILINE)
        path.write_text(text, "utf-8")
    (place.inventory / "parent.toml").write_text(
        '[agency]\nid = "bo-vi-du"\nnames = { vi = "Bộ" }\n', "utf-8"
    )
    assert place.load_settings().workers == 2
    assert [jump.credential for jump in place.load_settings().credentials["audit"].jump] == ["gateway"]
    assert len(place.load_scope().windows) == 1
    assert place.load_inventory().agencies["co-quan-vi-du"].parent == "bo-vi-du"
    assert [waiver.agency for waiver in place.load_waivers(TODAY)] == ["example"]


def keys(model: type[BaseModel]) -> Iterator[str]:
    """Every key that a file may have, in every table of it."""
    for name, field in model.model_fields.items():
        yield field.alias or name
        for below in _models(field.annotation):
            yield from keys(below)


def _shown(text: str) -> set[str]:
    """Every key, and every word of the name of a table."""
    found = re.findall(r"^ *#?(?:([a-z_]+) =|\[+([a-z_.]+)\])", text, re.MULTILINE)
    return {word for key, table in found for word in (key, *table.split("."))}


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


@pytest.mark.parametrize(
    ("model", "file"),
    [(SettingsFile, "secscan.toml"), (ScopeFile, "scope.toml"), (AgencyFile, "inventory/example.toml")],
)
def test_a_new_workspace_shows_every_key_there_is(
    place: Workspace, model: type[BaseModel], file: str
) -> None:
    text = (place.folder / file).read_text("utf-8")
    assert set(keys(model)) - _shown(text) == set()


def test_a_new_workspace_has_no_file_that_nothing_reads(place: Workspace) -> None:
    files = {str(path.relative_to(place.folder)) for path in place.folder.rglob("*") if path.is_file()}
    assert files == {
        "secscan.toml",
        "scope.toml",
        "inventory/example.toml",
        "waivers.toml",
        ".gitignore",
        "probes.jsonl",
    }


def test_only_the_owner_may_read_what_shows_where_an_agency_is_weak(place: Workspace) -> None:
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.probe_log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name",
    [
        "scope.toml",
        "inventory/example.toml",
        "waivers.toml",
        "probes.jsonl",
        "secscan.db",
        "feeds.db",
        "known_hosts",
    ],
)
def test_nothing_is_overwritten_and_nothing_else_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine", "utf-8")
    with pytest.raises(WorkspaceError, match=f"nothing was written, because there is already: .*{name}"):
        write_new(tmp_path, today=TODAY)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    assert path.read_text("utf-8") == "mine"


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "scope.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorkspaceError):
        write_new(tmp_path, today=TODAY)
    assert not (tmp_path / "elsewhere").exists()


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    assert write_new(tmp_path, today=TODAY).load_scope()


# --- Finding ----------------------------------------------------------------------------------------------


def test_a_workspace_is_found_from_below(place: Workspace) -> None:
    assert find_workspace(place.inventory).folder == place.folder


def test_the_nearest_workspace_is_found(place: Workspace) -> None:
    inner = write_new(place.folder / "inner", today=TODAY)
    assert find_workspace(inner.profiles) == inner


def test_where_there_is_none_it_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"secscan init DIR"):
        find_workspace(tmp_path)


def test_around_is_none_only_where_none_is_named(
    tmp_path: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert around(None) is None
    assert around(place.folder) == place
    with pytest.raises(WorkspaceError):
        around(str(tmp_path))
    monkeypatch.chdir(place.inventory)
    assert around(None) == place


# --- secscan.toml -----------------------------------------------------------------------------------------


def settings(folder: Path, text: str) -> Settings:
    (folder / "secscan.toml").write_text(text, "utf-8")
    return load_settings(folder)


def test_every_setting_has_a_default(tmp_path: Path) -> None:
    assert settings(tmp_path, "") == Settings()


def test_every_setting_is_read(tmp_path: Path) -> None:
    text = """
profile = "baseline"
language = "vi"
time_zone = "Asia/Ho_Chi_Minh"
[collection]
workers = 2
deadline = 10
[collection.ports]
default = "22, 80-81"
version_detection = false
"""
    assert settings(tmp_path, text) == Settings(
        "baseline", "vi", "Asia/Ho_Chi_Minh", 2, 10.0, "22,80-81", False
    )


@pytest.mark.parametrize("ports", ["top-1", "top-65535", "1-65535"])
def test_ports_by_default(tmp_path: Path, ports: str) -> None:
    assert settings(tmp_path, f'[collection.ports]\ndefault = "{ports}"\n').ports == ports


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('language = "fr"', '1: language: "fr" is not known here; expected one of "en", "vi"'),
        (
            'time_zone = "Asia/Hanoy"',
            '1: time_zone: "Asia/Hanoy" is not a time zone; expected a name such as "Asia/Ho_Chi_Minh"',
        ),
        ("[collection]\nworkers = 0", "2: collection.workers: 0 does not fit here; expected 1 or more"),
        (
            "[collection]\ndeadline = 0.5",
            "2: collection.deadline: 0.5 does not fit here; expected 1.0 or more",
        ),
        (
            "[collection]\ndeadline = inf",
            "2: collection.deadline: inf does not fit here; expected 3600.0 or less",
        ),
        (
            "deadline = 10",
            "1: deadline: unknown key here; 'deadline' belongs in the table 'collection'",
        ),
        *(
            (
                f'[collection.ports]\ndefault = "{ports}"',
                f'2: collection.ports.default: "{ports}" is not a list of ports; write "top-1000", or ranges such as '
                '"22,443,8000-8100"',
            )
            for ports in ("", "top-0", "top-65536", "top", "0-10", "http", "9-1")
        ),
    ],
)
def test_a_mistake_in_the_settings(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/secscan.toml:{expected}")


# --- [credentials.NAME] ------------------------------------------------------------------------------------


def test_every_key_of_a_login_is_read(tmp_path: Path) -> None:
    text = """
[ssh]
deadline = 5
at_once = 2
[credentials.audit]
user = "secscan"
port = 2222
key_file = "keys/audit"
certificate = "/etc/ssh/audit-cert.pub"
agent = true
password_env = "SECSCAN_PASSPHRASE"
sudo = true
jump = [{ address = "2001:DB8::1", port = 2200, credential = "gateway" }, { address = "In.example" }]
[credentials.gateway]
user = "jump"
keyring = "secscan-gateway"
"""
    read = settings(tmp_path, text)
    assert (read.ssh_deadline, read.ssh_at_once) == (5.0, 2)
    assert read.credentials == {
        "audit": Credential(
            name="audit",
            user="secscan",
            port=2222,
            key_file=tmp_path / "keys/audit",
            certificate=Path("/etc/ssh/audit-cert.pub"),
            agent=True,
            password_env="SECSCAN_PASSPHRASE",
            jump=(Jump("2001:db8::1", 2200, "gateway"), Jump("in.example", 22, "audit")),
            sudo=True,
        ),
        "gateway": Credential(name="gateway", user="jump", keyring="secscan-gateway"),
    }


def test_a_key_file_may_be_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    read = settings(tmp_path, '[credentials.a]\nuser = "u"\nkey_file = "~/.ssh/k"\n')
    assert read.credentials["a"].key_file == Path("/home/somebody/.ssh/k")


def login(name: str, *jumps: str, more: str = "") -> str:
    """A table whose jump hosts are ``address`` or ``address=login``."""
    tables = []
    for jump in jumps:
        address, _, other = jump.partition("=")
        tables.append(f'{{address = "{address}"' + (f', credential = "{other}"' if other else "") + "}")
    return f'[credentials.{name}]\nuser = "u"\nagent = true\njump = [{", ".join(tables)}]\n{more}'


def test_the_first_jump_host_is_reached_as_its_own_login_says(tmp_path: Path) -> None:
    text = login("a", "h1=b", "h2=c") + login("b", "h3=c", "h4") + login("c")
    way = settings(tmp_path, text).credentials["a"].jump
    assert [(jump.address, jump.credential) for jump in way] == [
        ("h3", "c"),
        ("h4", "b"),
        ("h1", "b"),
        ("h2", "c"),
    ]


def test_a_jump_host_may_want_the_login_of_the_host(tmp_path: Path) -> None:
    assert settings(tmp_path, login("a", "h1=a")).credentials["a"].jump == (Jump("h1", 22, "a"),)


SECRET = "s3cret-0f-the-0perator"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (
                f'[credentials.a]\nuser = "u"\n{key} = "{SECRET}"',
                f"3: credentials.a.{key}: a secret never belongs in this file",
            )
            for key in ("password", "passphrase", "Password", "sudo_password", "token", "private_key")
        ),
        (
            f'[credentials.a]\nuser = "u"\nagent = true\njump = [{{address = "h", password = "{SECRET}"}}]',
            "4: credentials.a.jump[0].password: a secret never belongs in this file",
        ),
        (
            f'[credentials.a]\nuser = "u"\npassword_env = "{SECRET}"',
            "3: credentials.a.password_env: is not the name of an environment variable in capitals",
        ),
        (
            f'[credentials.a]\nuser = "u"\nkey_file = """\n-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}"""',
            "3: credentials.a.key_file: is not the path of a file",
        ),
        (
            f'[credentials.a]\nuser = "u"\nkeyring = "{SECRET * 10}"',
            "3: credentials.a.keyring: is not the name of a service",
        ),
        (f'[credentials.a]\nuser = "root:{SECRET}"', "2: credentials.a.user: is not the name of an account"),
        (
            f'[credentials.a]\nuser = "u"\nagent = true\njump = [{{address = "u:{SECRET}@h"}}]',
            "4: credentials.a.jump[0].address: is neither an address nor a name",
        ),
        (f'[credentials]\na = "{SECRET}"', "2: credentials.a: expected a table"),
        (f'[credentials]\npassword = "{SECRET}"', "2: credentials.password: expected a table"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_shown(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, text)
    assert f"secscan.toml:{expected}" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[credentials.a]\nuser = "u"\n',
            "1: credentials.a: gives no way to log in; set agent, key_file, password_env or keyring",
        ),
        ("[credentials.a]\nagent = true", "1: credentials.a.user: is missing; it must be given"),
        (
            '[credentials.a]\nuser = "u"\nagnt = true',
            "3: credentials.a.agnt: unknown key; did you mean 'agent'?",
        ),
        (
            '[credentials.a]\nuser = "u"\npasword_env = "P"',
            "3: credentials.a.pasword_env: unknown key; did you mean 'password_env'?",
        ),
        (
            '[credentials.a]\nuser = "u"\nagent = true\ncertificate = "c"',
            "4: credentials.a.certificate: needs the key_file that it was issued for",
        ),
        (
            '[credentials.a]\nuser = "u"\npassword_env = "P"\nkeyring = "k"',
            "4: credentials.a.keyring: there is password_env as well; keep one",
        ),
        (
            login("a", more="port = 0"),
            "5: credentials.a.port: 0 does not fit here; expected 1 or more",
        ),
        (
            login("a", more='key_file = "~no-such-account/k"'),
            '5: credentials.a.key_file: "~no-such-account/k": this machine has no such account',
        ),
        (
            login("a", "h1=gatewy") + login("gateway"),
            "4: credentials.a.jump[0].credential: there is no table [credentials.gatewy]; did you mean 'gateway'?",
        ),
        (
            login("a", "h1=b") + login("b", "h2=a"),
            "4: credentials.a.jump[0].credential: these logins lead over one another in a circle: b -> a -> b",
        ),
        (
            login("a", "h1", "h1"),
            "4: credentials.a.jump[1].address: the way leads over h1 twice; take one out",
        ),
        (
            login("a", *(f"h{n}" for n in range(9))),
            "4: credentials.a.jump: the way to a host leads over 9 jump hosts; 8 are the most",
        ),
        ("[ssh]\nat_once = 0", "2: ssh.at_once: 0 does not fit here; expected 1 or more"),
    ],
)
def test_a_mistake_in_a_login(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, text)
    assert f"{tmp_path}/secscan.toml:{expected}" in str(caught.value)


def test_one_mistake_is_told_once_whoever_comes_across_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, login("a", "h1=b") + login("b", "h2=c"))
    assert len(caught.value.mistakes) == 1


def test_times_are_shown_in_the_zone_of_the_settings(place: Workspace) -> None:
    assert place.time_zone().key == "Asia/Ho_Chi_Minh"


# --- ca/ --------------------------------------------------------------------------------------------------


def authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def test_every_certificate_of_every_file_is_an_anchor_once(place: Workspace) -> None:
    (one, _), (two, _) = authority("one"), authority("two")
    (place.anchors / "a.pem").write_bytes(b"one, then two\n" + pem(one, two))
    (place.anchors / "b.pem").write_bytes(pem(one))
    (place.anchors / "notes.txt").write_text("not a certificate", "utf-8")
    assert place.load_anchors().everywhere == (one.public_bytes(Encoding.DER), two.public_bytes(Encoding.DER))


def test_anchors_of_a_zone_and_of_an_agency_are_kept_apart(place: Workspace) -> None:
    (one, _), (two, _), (three, _) = authority("one"), authority("two"), authority("three")
    for folder, certificate in ((".", one), ("zone-dmz", two), ("agency-bo-vi-du", three)):
        (place.anchors / folder).mkdir(exist_ok=True)
        (place.anchors / folder / "ca.pem").write_bytes(pem(certificate))
    loaded = place.load_anchors()
    assert loaded == Authorities(
        everywhere=(one.public_bytes(Encoding.DER),),
        of_zones={"dmz": (two.public_bytes(Encoding.DER),)},
        of_agencies={"bo-vi-du": (three.public_bytes(Encoding.DER),)},
    )


@pytest.mark.parametrize("name", ["zone-", "dmz", "agencies"])
def test_a_folder_of_anchors_for_nobody_is_named(place: Workspace, name: str) -> None:
    (place.anchors / name).mkdir()
    with pytest.raises(
        ConfigurationError, match=f"{name}: is not used: call the folder zone-NAME or agency-ID"
    ):
        place.load_anchors()


def test_anchors_of_an_unknown_place_are_mistakes_with_the_nearest(tmp_path: Path) -> None:
    loaded = Authorities(of_zones={"dnz": (), "dmz": ()}, of_agencies={"nobody-at-all": ()})
    said = places_unknown(tmp_path, loaded, zones=["dmz", ""], agencies=["bo-vi-du"])
    assert [mistake.file.name for mistake in said] == ["zone-dnz", "agency-nobody-at-all"]
    assert "did you mean 'zone-dmz'?" in said[0].message


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_revocation_list_is_read_as_authorities_publish_it(place: Workspace, encoding: Encoding) -> None:
    certificate, key = authority("one")
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(certificate.subject)
        .last_update(datetime(2026, 1, 1, tzinfo=UTC))
        .next_update(datetime(2026, 2, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    (place.anchors / "one.crl").write_bytes(made.public_bytes(encoding))
    assert place.load_anchors().lists == (made.public_bytes(Encoding.DER),)


def test_a_revocation_list_that_is_none_is_named(place: Workspace) -> None:
    (place.anchors / "one.crl").write_bytes(b"<html>404</html>")
    with pytest.raises(ConfigurationError, match=r"one\.crl: is no list of revoked certificates"):
        place.load_anchors()


def test_a_file_without_certificates_is_named(place: Workspace) -> None:
    (place.anchors / "a.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (place.anchors / "b.pem").write_bytes(b"")
    with pytest.raises(ConfigurationError) as caught:
        place.load_anchors()
    assert [mistake.file.name for mistake in caught.value.mistakes] == ["a.pem", "b.pem"]


def test_a_private_key_is_refused(place: Workspace) -> None:
    certificate, key = authority("one")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (place.anchors / "a.pem").write_bytes(pem(certificate) + private)
    with pytest.raises(ConfigurationError, match="holds a private key"):
        read_anchors(place.anchors / "a.pem")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.pem: cannot be read: No such file"):
        read_anchors(tmp_path / "gone.pem")


def test_a_workspace_without_the_folder_has_no_anchors(tmp_path: Path) -> None:
    assert Workspace(tmp_path).load_anchors() == Authorities()


def test_what_is_missing_is_a_mistake_that_names_the_file(tmp_path: Path) -> None:
    for load in (load_scope, load_inventory):
        with pytest.raises(ConfigurationError, match="gone"):
            load(tmp_path / "gone")
