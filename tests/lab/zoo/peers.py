"""The other scanners, asked about an exhibit: what each claims, and where that is not what there is."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from defusedxml import ElementTree

from secscan.collection.sweep.wire.code_points import suite_name
from secscan.facts import TlsVersion
from tests.lab.servers import Running
from tests.lab.zoo.exhibit import NAME, Expected, SpeaksNoTls, SpeaksTls, Undecided

#: Seconds after which a peer is not waited for any more.
PATIENCE = 120


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a scanner says of a server. ``failed``: why it says nothing; what it does not say is missing or None.

    ``suites``: by version, only of versions that it calls offered. ``staple``: the status in a stapled answer;
    ``staple_trusted``: it calls that answer trusted. ``seconds``: it took so long, on the machine at hand.
    """

    seconds: float
    failed: str = ""
    versions: dict[str, bool] = {}
    suites: dict[str, list[str]] = {}
    heartbleed: bool | None = None
    ccs_injection: bool | None = None
    early_data: bool | None = None
    slots: list[tuple[str, int]] | None = None
    staple: str | None = None
    staple_trusted: bool | None = None


def ask_sslyze(running: Running, anchors: Path) -> Claims:
    """sslyze with all that it does by itself, and the zoo's root among what it trusts."""
    where = f"{NAME}:{running.port}{{{running.address}}}"
    command = [sys.executable, "-m", "sslyze", "--quiet"]
    with tempfile.NamedTemporaryFile("r") as answer:
        options = [f"--certinfo_ca_file={anchors}", f"--json_out={answer.name}"]
        seconds, _ = _run([*command, *options, where])
        said = Path(answer.name).read_text("utf-8")
    try:
        [result] = json.loads(said)["server_scan_results"]
    except (ValueError, KeyError):
        return Claims(seconds=seconds, failed=_silence(seconds))
    if result["connectivity_status"] != "COMPLETED":
        trace = (result["connectivity_error_trace"] or "").strip().splitlines()
        return Claims(seconds=seconds, failed=_last_words(trace))
    return _read_sslyze(seconds, result["scan_result"])


def _silence(seconds: float) -> str:
    return f"it did not end within {PATIENCE} s" if seconds >= PATIENCE else "it ended without a result"


def _last_words(trace: list[str]) -> str:
    """Of a traceback; without the place, which is another every time."""
    words = next((line.strip() for line in reversed(trace) if line.strip()), "an error without words")
    return words.rpartition("-> ")[2].strip('".')[:160]


_SSLYZE = {
    "ssl_2_0_cipher_suites": TlsVersion.SSLV2,
    "ssl_3_0_cipher_suites": TlsVersion.SSLV3,
    "tls_1_0_cipher_suites": TlsVersion.TLS1_0,
    "tls_1_1_cipher_suites": TlsVersion.TLS1_1,
    "tls_1_2_cipher_suites": TlsVersion.TLS1_2,
    "tls_1_3_cipher_suites": TlsVersion.TLS1_3,
}


def _read_sslyze(seconds: float, scan: Mapping[str, Any]) -> Claims:
    def result(name: str) -> Any:
        return scan[name]["result"] if scan[name]["status"] == "COMPLETED" else None

    versions: dict[str, bool] = {}
    suites: dict[str, list[str]] = {}
    for name, version in _SSLYZE.items():
        found = result(name)
        if found is not None:
            names = sorted(entry["cipher_suite"]["name"] for entry in found["accepted_cipher_suites"])
            versions[version] = bool(names)
            if names:
                suites[version] = names
    certificates = result("certificate_info")
    deployments = certificates["certificate_deployments"] if certificates else []
    staples = [d["ocsp_response"] for d in deployments if d["ocsp_response"]]
    heartbleed, early = result("heartbleed"), result("tls_1_3_early_data")
    injection = result("openssl_ccs_injection")
    return Claims(
        seconds=seconds,
        versions=versions,
        suites=suites,
        heartbleed=heartbleed["is_vulnerable_to_heartbleed"] if heartbleed else None,
        ccs_injection=injection["is_vulnerable_to_ccs_injection"] if injection else None,
        early_data=early["supports_early_data"] if early else None,
        slots=sorted(_slot(d["received_certificate_chain"][0]["public_key"]) for d in deployments)
        if deployments
        else None,
        staple=(staples[0]["certificate_status"] if staples else "") if deployments else None,
        staple_trusted=any(d["ocsp_response_is_trusted"] for d in deployments) if staples else None,
    )


_SLOTS = {"RSAPublicKey": "RSA", "ECPublicKey": "ECDSA", "Ed25519PublicKey": "Ed25519"}


def _slot(key: Mapping[str, Any]) -> tuple[str, int]:
    kind = str(key["algorithm"]).removeprefix("_")
    return _SLOTS.get(kind, kind), int(key["key_size"] or 256)


def ask_sslscan(running: Running, _anchors: Path) -> Claims:
    """sslscan as it comes, with the server's name."""
    seconds, said = _run(
        ["sslscan", "--xml=-", "--no-colour", f"--sni-name={NAME}", f"{running.address}:{running.port}"]
    )
    try:
        test = ElementTree.fromstring(said).find("ssltest")
    except ElementTree.ParseError:
        test = None
    if test is None:
        return Claims(seconds=seconds, failed=_silence(seconds))
    versions: dict[str, bool] = {}
    suites: dict[str, list[str]] = {}
    for protocol in test.iter("protocol"):
        versions[_SSLSCAN[protocol.get("type"), protocol.get("version")]] = protocol.get("enabled") == "1"
    for cipher in test.iter("cipher"):
        version = str(cipher.get("sslversion"))
        suites.setdefault(version, []).append(suite_name(int(str(cipher.get("id")), 16)))
    bleeding = [entry.get("vulnerable") == "1" for entry in test.iter("heartbleed")]
    return Claims(
        seconds=seconds, versions=versions, suites=suites, heartbleed=any(bleeding) if bleeding else None
    )


_SSLSCAN = {
    ("ssl", "2"): TlsVersion.SSLV2,
    ("ssl", "3"): TlsVersion.SSLV3,
    ("tls", "1.0"): TlsVersion.TLS1_0,
    ("tls", "1.1"): TlsVersion.TLS1_1,
    ("tls", "1.2"): TlsVersion.TLS1_2,
    ("tls", "1.3"): TlsVersion.TLS1_3,
}


def _run(command: list[str]) -> tuple[float, str]:
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return time.monotonic() - began, ""
    return time.monotonic() - began, done.stdout


def disagreements(expected: Expected, claims: Claims) -> Iterator[str]:
    """Only of what it claims: that a peer does not look at something is no disagreement."""
    match expected:
        case SpeaksTls():
            yield from _of_tls(expected, claims)
        case SpeaksNoTls() | Undecided():
            if any(claims.versions.values()):
                yield "finds TLS where there is none"


def _of_tls(expected: SpeaksTls, claims: Claims) -> Iterator[str]:
    if claims.failed:
        yield f"fails: {claims.failed}"
        return
    missed = [version.value for version in expected.offers if claims.versions.get(version) is False]
    unsaid = [version.value for version in expected.offers if version not in claims.versions]
    invented = [
        v for v, offered in claims.versions.items() if offered and TlsVersion(v) not in expected.offers
    ]
    for what, versions in (("misses", missed), ("says nothing of", unsaid), ("invents", invented)):
        if versions:
            yield f"{what} {', '.join(versions)}"
    lacking: set[str] = set()
    surplus: set[str] = set()
    for version, wanted in expected.offers.items():
        if wanted is not None and claims.versions.get(version):
            # sslscan lists none for SSL 2.0.
            if version not in claims.suites:
                yield f"lists no suite of {version.value}"
                continue
            found = set(claims.suites[version])
            lacking |= wanted - found
            surplus |= found - wanted
    if lacking:
        yield f"misses {', '.join(sorted(lacking))}"
    if surplus:
        yield f"invents {', '.join(sorted(surplus))}"
    for name in ("heartbleed", "ccs_injection", "early_data"):
        wanted = expected.rest.get(name)
        claimed = getattr(claims, name)
        if wanted is not None and claimed is not None and claimed != wanted:
            yield f"{name} is {claimed}"
    if claims.slots is not None and expected.slots is not None and set(claims.slots) != expected.slots:
        missing = sorted(f"{kind} {bits}" for kind, bits in expected.slots - set(claims.slots))
        yield f"misses the certificate: {', '.join(missing)}" if missing else "finds other certificates"
    if claims.staple is not None and claims.staple != expected.staple:
        yield f"says {claims.staple or 'nothing'} was stapled"
    if claims.staple_trusted and expected.staple == "REVOKED":
        yield "calls the stapled answer, which says revoked, trusted"
