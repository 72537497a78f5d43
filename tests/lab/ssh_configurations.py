"""Two dozen SSH servers, and what each of them shows, by hand from how it is set up. Knows nothing of pytest.

A list that a configuration does not name is the server's own choice, and is not said here; ssh-audit is asked about it.
"""

import functools
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import paramiko

from tests.lab.servers.children import end_child, start_child
from tests.lab.servers.listening import Running
from tests.lab.servers.modern_ssh import AsyncSshd, TakesPasswords
from tests.lab.ssh import FakeSshd, Sshd, _find, free_port, wait_until_listening


@dataclass(frozen=True)
class Shows:
    """What is to be seen. None: the configuration leaves it to the server.

    ``keys``: type -> bits. ``groups``: the sizes given to a request of 1024 bits and to one of 3072, 0 for a refusal.
    ``fails``: the rules of the network baseline about SSH that fail, or their objects as ``rule/object``.
    """

    keys: Mapping[str, int]
    fails: frozenset[str]
    key_exchange: tuple[str, ...] | None = None
    ciphers: tuple[str, ...] | None = None
    macs: tuple[str, ...] | None = None
    methods: frozenset[str] | None = frozenset({"publickey"})
    groups: tuple[int, int] | None = None
    software: str = "OpenSSH"
    protocol: str = "2.0"


@dataclass(frozen=True)
class Configuration:
    """``start`` starts a server of this kind; each has host keys of its own."""

    name: str
    start: Callable[[], Running]
    shows: Shows


# --- OpenSSH --------------------------------------------------------------------------------------------

_MODERN_KEYS = {"ssh-ed25519": 256}
_ALL_KEYS = {"ecdsa-sha2-nistp256": 256, "ssh-ed25519": 256, "ssh-rsa": 3072}
_THREE = ("rsa", "ecdsa", "ed25519")
#: Those that OpenSSH 9.2 offers of itself, group exchange among them (sshd_config(5), KexAlgorithms).
_GEX = "diffie-hellman-group-exchange-sha256"


def _openssh(name: str, options: str, shows: Shows, keys: tuple[str, ...] = ("ed25519",)) -> Configuration:
    return Configuration(name, functools.partial(Sshd, options=options, host_keys=keys), shows)


def _kex(*names: str) -> str:
    return f"KexAlgorithms {','.join(names)}\n"


def _fails(*rules: str) -> frozenset[str]:
    return frozenset(f"ssh.{rule}" for rule in rules)


class _WithKey(Sshd):
    """A server whose host key was made by a command of its own."""

    def __init__(self, options: str, command: tuple[str, ...]) -> None:
        self._keys = tempfile.TemporaryDirectory(prefix="lab-sshd-key-")
        key = Path(self._keys.name) / "key"
        subprocess.run([*command, "-q", "-N", "", "-f", str(key)], check=True, stdin=subprocess.DEVNULL)
        super().__init__(options=f"{options}HostKey {key}\n", host_keys=())

    def stop(self) -> None:
        super().stop()
        self._keys.cleanup()


def _with_key(name: str, kind: str, bits: int, options: str, shows: Shows) -> Configuration:
    command = (_find("ssh-keygen", "openssh-client"), "-t", kind, "-b", str(bits))
    return Configuration(name, functools.partial(_WithKey, options, command), shows)


class _Certified(Sshd):
    """A server that shows a certificate of its key."""

    def __init__(self) -> None:
        self._keys = tempfile.TemporaryDirectory(prefix="lab-sshd-key-")
        folder = Path(self._keys.name)
        keygen = _find("ssh-keygen", "openssh-client")
        for name in ("authority", "host"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        subprocess.run(
            [keygen, "-q", "-s", folder / "authority", "-I", "lab", "-h", folder / "host.pub"], check=True
        )
        super().__init__(
            options=f"HostKey {folder}/host\nHostCertificate {folder}/host-cert.pub\n", host_keys=()
        )

    def stop(self) -> None:
        super().stop()
        self._keys.cleanup()


def _openssh_configurations() -> Iterator[Configuration]:
    yield _openssh("openssh-default", "", Shows(_ALL_KEYS, _fails(), groups=(2048, 3072)), _THREE)
    yield _openssh(
        "openssh-modern",
        _kex("sntrup761x25519-sha512@openssh.com", "curve25519-sha256")
        + "Ciphers aes256-gcm@openssh.com,aes128-gcm@openssh.com\nMACs hmac-sha2-512-etm@openssh.com\n",
        Shows(
            _MODERN_KEYS,
            _fails(),
            key_exchange=("sntrup761x25519-sha512@openssh.com", "curve25519-sha256"),
            ciphers=("aes256-gcm@openssh.com", "aes128-gcm@openssh.com"),
            macs=("hmac-sha2-512-etm@openssh.com",),
            groups=(),
        ),
    )
    yield _openssh(
        "openssh-password",
        "PasswordAuthentication yes\n",
        Shows(_MODERN_KEYS, _fails(), methods=frozenset({"publickey", "password"})),
    )
    yield _openssh(
        "openssh-keyboard-interactive",
        "KbdInteractiveAuthentication yes\nUsePAM yes\n",
        Shows(_MODERN_KEYS, _fails(), methods=frozenset({"publickey", "keyboard-interactive"})),
    )
    yield _openssh(
        "openssh-two-factors",
        "PasswordAuthentication yes\nAuthenticationMethods publickey,password\n",
        # Only what may come first is offered (sshd_config(5), AuthenticationMethods).
        Shows(_MODERN_KEYS, _fails()),
    )
    yield _openssh(
        "openssh-group1",
        _kex("curve25519-sha256", "diffie-hellman-group1-sha1"),
        Shows(
            _MODERN_KEYS,
            _fails("key-exchange", "post-quantum"),
            key_exchange=("curve25519-sha256", "diffie-hellman-group1-sha1"),
        ),
    )
    yield _openssh(
        "openssh-group1-only",
        _kex("diffie-hellman-group1-sha1"),
        Shows(
            _MODERN_KEYS,
            _fails("key-exchange", "post-quantum"),
            key_exchange=("diffie-hellman-group1-sha1",),
        ),
    )
    yield _openssh(
        "openssh-group14-sha1",
        _kex("diffie-hellman-group14-sha1"),
        Shows(
            _MODERN_KEYS,
            _fails("sha1", "post-quantum"),
            key_exchange=("diffie-hellman-group14-sha1",),
        ),
    )
    yield _openssh(
        "openssh-group-exchange-only",
        _kex(_GEX),
        Shows(_MODERN_KEYS, _fails("post-quantum"), key_exchange=(_GEX,), groups=(2048, 3072)),
    )
    yield _openssh(
        "openssh-group-exchange-sha1",
        _kex("diffie-hellman-group-exchange-sha1", "ecdh-sha2-nistp521"),
        Shows(
            _MODERN_KEYS,
            _fails("sha1", "post-quantum"),
            key_exchange=("diffie-hellman-group-exchange-sha1", "ecdh-sha2-nistp521"),
            groups=(2048, 3072),
        ),
    )
    yield _openssh(
        "openssh-nist-curves",
        _kex("ecdh-sha2-nistp256", "ecdh-sha2-nistp384") + "HostKeyAlgorithms ecdsa-sha2-nistp256\n",
        Shows(
            {"ecdsa-sha2-nistp256": 256},
            _fails("post-quantum"),
            key_exchange=("ecdh-sha2-nistp256", "ecdh-sha2-nistp384"),
        ),
        ("ecdsa",),
    )
    yield _openssh(
        "openssh-group16",
        _kex("diffie-hellman-group16-sha512"),
        Shows(_MODERN_KEYS, _fails("post-quantum"), key_exchange=("diffie-hellman-group16-sha512",)),
    )
    yield _openssh(
        "openssh-group18",
        _kex("diffie-hellman-group18-sha512"),
        Shows(
            _MODERN_KEYS,
            _fails("post-quantum"),
            key_exchange=("diffie-hellman-group18-sha512",),
            methods=None,
        ),
    )
    yield _openssh(
        "openssh-hybrid-only",
        _kex("sntrup761x25519-sha512"),
        # The exchange is one that secscan does not do, and so no key is seen.
        Shows({}, _fails(), key_exchange=("sntrup761x25519-sha512",), methods=None),
    )
    yield _openssh(
        "openssh-dsa",
        "HostKeyAlgorithms ssh-dss,ssh-ed25519\n",
        Shows({"ssh-dss": 1024, "ssh-ed25519": 256}, _fails("host-key-algorithms")),
        ("dsa", "ed25519"),
    )
    yield _openssh(
        "openssh-rsa-sha1",
        "HostKeyAlgorithms ssh-rsa\n",
        Shows({"ssh-rsa": 3072}, _fails("sha1")),
        ("rsa",),
    )
    yield _with_key(
        "openssh-rsa-1024",
        "rsa",
        1024,
        "RequiredRSASize 1024\n",
        Shows({"ssh-rsa": 1024}, _fails("host-key-size")),
    )
    yield _with_key("openssh-rsa-2048", "rsa", 2048, "", Shows({"ssh-rsa": 2048}, _fails()))
    yield _with_key("openssh-p521", "ecdsa", 521, "", Shows({"ecdsa-sha2-nistp521": 521}, _fails()))
    yield Configuration(
        "openssh-certificate",
        _Certified,
        Shows({"ssh-ed25519": 256, "ssh-ed25519-cert-v01@openssh.com": 256}, _fails()),
    )
    yield _openssh(
        "openssh-cbc",
        "Ciphers aes128-cbc,aes256-cbc,3des-cbc,aes128-ctr\n",
        Shows(
            _MODERN_KEYS,
            _fails("cbc", "ciphers/small-blocks"),
            ciphers=("aes128-cbc", "aes256-cbc", "3des-cbc", "aes128-ctr"),
        ),
    )
    yield _openssh(
        "openssh-old-macs",
        "Ciphers aes128-ctr\nMACs hmac-md5,hmac-md5-96,hmac-sha1-96,hmac-sha1\n",
        Shows(
            _MODERN_KEYS,
            _fails("macs"),
            ciphers=("aes128-ctr",),
            macs=("hmac-md5", "hmac-md5-96", "hmac-sha1-96", "hmac-sha1"),
        ),
    )


# --- Dropbear -------------------------------------------------------------------------------------------


class Dropbear(Running):
    """Dropbear in a folder of its own."""

    def __init__(self, kinds: tuple[tuple[str, int], ...], *options: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lab-dropbear-")
        folder = Path(self._folder.name)
        self.address, self.port = "127.0.0.1", free_port("127.0.0.1")
        command = [_find("dropbear", "dropbear-bin"), "-F", "-E", "-P", str(folder / "pid"), *options]
        command += ["-p", f"{self.address}:{self.port}"]
        for kind, bits in kinds:
            key = folder / kind
            make = [_find("dropbearkey", "dropbear-bin"), "-t", kind, "-f", str(key)]
            size = [] if kind == "ed25519" else ["-s", str(bits)]
            subprocess.run([*make, *size], check=True, capture_output=True)
            command += ["-r", str(key)]
        with (folder / "log").open("wb") as log:
            self._process = start_child(command, output=log)
        try:
            wait_until_listening(self.address, self.port, self._process, folder / "log")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        end_child(self._process)
        self._folder.cleanup()


def _dropbear_configurations() -> Iterator[Configuration]:
    # Debian's 2022.83 offers group 14 with SHA-1 whatever its keys; nothing in its options takes that away.
    rsa, ecdsa, ed25519 = ("rsa", 2048), ("ecdsa", 256), ("ed25519", 256)
    both = frozenset({"publickey", "password"})
    yield Configuration(
        "dropbear-default",
        functools.partial(Dropbear, (rsa, ecdsa, ed25519)),
        Shows(
            {"ecdsa-sha2-nistp256": 256, "ssh-ed25519": 256, "ssh-rsa": 2048},
            _fails("sha1", "post-quantum"),
            methods=both,
            software="dropbear",
        ),
    )
    yield Configuration(
        "dropbear-keys-only",
        functools.partial(Dropbear, (ed25519,), "-s"),
        Shows({"ssh-ed25519": 256}, _fails("sha1", "post-quantum"), software="dropbear"),
    )


# --- asyncssh -------------------------------------------------------------------------------------------


def _asyncssh(
    name: str, shows: Shows, kinds: tuple[tuple[str, int], ...], **options: object
) -> Configuration:
    def start() -> AsyncSshd:
        keys = [
            asyncssh.generate_private_key(kind, key_size=bits)
            if kind == "ssh-rsa"
            else asyncssh.generate_private_key(kind)
            for kind, bits in kinds
        ]
        return AsyncSshd("127.0.0.1", 0, server_factory=TakesPasswords, server_host_keys=keys, **options)

    return Configuration(name, start, shows)


def _asyncssh_configurations() -> Iterator[Configuration]:
    # asyncssh asks for a password by prompts as well, wherever it takes one.
    password = frozenset({"password", "keyboard-interactive"})
    yield _asyncssh(
        "asyncssh-default",
        Shows(
            _MODERN_KEYS,
            _fails("post-quantum", "sha1", "group-size"),
            methods=password,
            # It gives the smallest of its groups that is as big as was asked for, and has one of 1024 bits.
            groups=(1024, 3072),
            software="AsyncSSH",
        ),
        (("ssh-ed25519", 256),),
    )
    legacy_kex = (
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group1-sha1",
        "rsa1024-sha1",
    )
    legacy_ciphers = (
        "aes256-cbc",
        "3des-cbc",
        "blowfish-cbc",
        "cast128-cbc",
        "arcfour256",
        "arcfour128",
        "arcfour",
    )
    legacy_macs = ("hmac-sha1", "hmac-md5", "hmac-sha1-96", "hmac-md5-96")
    yield _asyncssh(
        "asyncssh-as-of-old",
        Shows(
            {"ssh-rsa": 1024},
            _fails(
                "key-exchange",
                "sha1",
                "ciphers/broken",
                "ciphers/small-blocks",
                "cbc",
                "macs",
                "post-quantum",
                "host-key-size",
            ),
            key_exchange=legacy_kex,
            ciphers=legacy_ciphers,
            macs=legacy_macs,
            methods=password,
            software="AsyncSSH",
        ),
        (("ssh-rsa", 1024),),
        kex_algs=legacy_kex,
        encryption_algs=legacy_ciphers,
        mac_algs=legacy_macs,
        signature_algs=("ssh-rsa",),
    )
    yield _asyncssh(
        "asyncssh-ed448",
        Shows(
            {"ssh-ed448": 456},
            _fails("post-quantum"),
            key_exchange=("curve448-sha512",),
            methods=password,
            software="AsyncSSH",
        ),
        (("ssh-ed448", 448),),
        kex_algs=("curve448-sha512",),
    )


# --- paramiko -------------------------------------------------------------------------------------------


def _paramiko_configurations() -> Iterator[Configuration]:
    def start() -> Running:
        door = FakeSshd(behaviour=lambda _channel, _command: None, host_key=paramiko.RSAKey.generate(2048))
        return door.start()

    yield Configuration(
        "paramiko-default",
        start,
        Shows(
            {"ssh-rsa": 2048},
            # It prefers better ones, and offers AES and 3DES in CBC, MD5 and what is cut to 96 bits after them.
            _fails("post-quantum", "cbc", "ciphers/small-blocks", "macs"),
            methods=frozenset({"publickey", "password"}),
            software="lab",
        ),
    )


def configurations() -> tuple[Configuration, ...]:
    """All of them, by kind. Raises MissingToolError where a server is not installed."""
    return (
        *_openssh_configurations(),
        *_dropbear_configurations(),
        *_asyncssh_configurations(),
        *_paramiko_configurations(),
    )
