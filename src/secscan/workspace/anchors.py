"""Private authorities: certificates that an operator trusts besides the public ones, and lists of what is revoked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from secscan.language import _
from secscan.toml_source import MAX_BYTES, ConfigurationError, Mistake, nearest

#: Lists of revoked certificates may be long: that of a large public authority has some ten megabytes.
MOST_LIST_BYTES = 64 * 1024 * 1024

_OF_ZONE, _OF_AGENCY = "zone-", "agency-"


@dataclass(frozen=True, slots=True)
class Authorities:
    """What lies in the folder ``ca``: certificates and revocation lists, all DER, each once.

    Anchors ``everywhere`` hold for all hosts, those of a zone or an agency for its own hosts alone. Lists are signed by
    whom they are of, so they hold wherever they come from.
    """

    everywhere: tuple[bytes, ...] = ()
    of_zones: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    of_agencies: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    lists: tuple[bytes, ...] = ()


#: No workspace, or one with an empty folder.
NO_AUTHORITIES = Authorities()


def load_anchors(folder: Path) -> Authorities:
    """What is in ``folder``: ``*.pem`` for all hosts, ``zone-NAME/*.pem`` and ``agency-ID/*.pem`` for some, ``*.crl``.

    A folder that does not exist holds nothing. Raises ConfigurationError with every file that can't be read, and every
    folder whose name does not say whom it is for.
    """
    mistakes: list[Mistake] = []
    scoped: dict[str, dict[str, tuple[bytes, ...]]] = {_OF_ZONE: {}, _OF_AGENCY: {}}
    everywhere = _all_in(folder.glob("*.pem"), read_anchors, mistakes)
    lists = _all_in(folder.glob("*.crl"), _read_lists, mistakes)
    for place in sorted(path for path in folder.glob("[!.]*") if path.is_dir()):
        prefix = next((p for p in scoped if place.name.startswith(p) and place.name != p), None)
        if prefix is None:
            message = _("is not used: call the folder zone-NAME or agency-ID, after whose hosts trust it")
            mistakes.append(Mistake(place, None, "", message))
            continue
        scoped[prefix][place.name.removeprefix(prefix)] = _all_in(place.glob("*.pem"), read_anchors, mistakes)
    if mistakes:
        raise ConfigurationError(mistakes)
    return Authorities(everywhere, scoped[_OF_ZONE], scoped[_OF_AGENCY], lists)


def places_unknown(
    folder: Path, anchors: Authorities, *, zones: Iterable[str], agencies: Iterable[str]
) -> list[Mistake]:
    """Folders of anchors that hold for nobody: the inventory has no such zone, or no such agency."""
    found: list[Mistake] = []
    for prefix, named, known in (
        (_OF_ZONE, anchors.of_zones, sorted(set(zones) - {""})),
        (_OF_AGENCY, anchors.of_agencies, sorted(set(agencies))),
    ):
        for name in sorted(named.keys() - set(known)):
            near = nearest(name, known)
            hint = _("; did you mean {near!r}?").format(near=prefix + near) if near else ""
            message = _("is of nobody: the inventory has no {name!r}").format(name=name) + hint
            found.append(Mistake(folder / f"{prefix}{name}", None, "", message))
    return found


def read_anchors(path: Path) -> tuple[bytes, ...]:
    """The certificates in one PEM file, DER. Raises ConfigurationError, naming it, where they can't be read."""
    # Commands that read no certificate should not pay for loading OpenSSL.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    content = _content(path, MAX_BYTES)
    if b"PRIVATE KEY-----" in content:
        raise _refused(path, _("holds a private key, which has no place here: keep the certificate alone"))
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError as error:
        message = _(
            "holds no certificate that can be read; put in PEM, which begins -----BEGIN CERTIFICATE-----"
        )
        raise _refused(path, message) from error
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)


def _read_lists(path: Path) -> tuple[bytes, ...]:
    """The one list of revoked certificates in a file, DER or PEM, as authorities publish it."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    content = _content(path, MOST_LIST_BYTES)
    load = x509.load_pem_x509_crl if content.startswith(b"-----BEGIN") else x509.load_der_x509_crl
    try:
        return (load(content).public_bytes(Encoding.DER),)
    except ValueError as error:
        message = _(
            "is no list of revoked certificates that can be read; put it in as the authority publishes it"
        )
        raise _refused(path, message) from error


def _all_in(
    paths: Iterable[Path], read: Callable[[Path], tuple[bytes, ...]], mistakes: list[Mistake]
) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for path in sorted(paths):
        try:
            found += read(path)
        except ConfigurationError as error:
            mistakes += error.mistakes
    return tuple(dict.fromkeys(found))


def _content(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise _refused(path, _("cannot be read: {error}").format(error=error.strerror or error)) from error
    if len(content) > most:
        raise _refused(path, _("is larger than {limit} MiB").format(limit=most >> 20))
    return content


def _refused(path: Path, message: str) -> ConfigurationError:
    return ConfigurationError([Mistake(path, None, "", message)])
