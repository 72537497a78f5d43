"""Which elliptic curves a server accepts for key exchange. For the audit's own process."""

import functools

from nassl.ephemeral_key_info import EcDhEphemeralKeyInfo, OpenSslEcNidEnum
from nassl.ssl_client import BaseSslClient, SslClient
from sslyze.server_connectivity import TlsVersionEnum

from secscan.collection.deep.findings import Finding, Measured
from secscan.collection.deep.gaps import gap_after
from secscan.collection.deep.handshake import Hello, Outcome, Server
from secscan.collection.deep.offers import VERSIONS, Offers, ephemeral_key
from secscan.facts import Gap
from secscan.model import Reason


def ask_groups(server: Server, offers: Offers) -> list[Finding]:
    field = "groups"
    elliptic = [v for v in offers.versions if any(map(_makes_elliptic_keys, offers.names(v)))]
    accepted: set[str] = set()
    # TLS 1.3 has groups of its own; before it, the newest version stands for all.
    for version in elliptic[: 2 if TlsVersionEnum.TLS_1_3 in elliptic else 1]:
        hello = offers.hello(version, legacy=False, where=_makes_elliptic_keys)
        found = _groups(server, hello, offers.control)
        if isinstance(found, Gap):
            return [Measured(field=field, value=found)]
        accepted |= found
    doubt = None if accepted else offers.doubt(tuple(VERSIONS))
    return [Measured(field=field, value=doubt or tuple(sorted(accepted)))]


def _makes_elliptic_keys(suite: str) -> bool:
    return suite.startswith(("TLS_AES_", "TLS_CHACHA20_", "TLS_ECDHE_", "TLS_ECDH_anon_"))


def _groups(server: Server, hello: Hello, control: Hello) -> set[str] | Gap:
    left = sorted(OpenSslEcNidEnum, key=_preference)
    found: list[OpenSslEcNidEnum] = []
    with_found = True
    while left:
        # A server with an ECDSA certificate refuses in TLS 1.2 whoever does not know the certificate's curve
        # (RFC 8422, section 5.1), so what was found is offered too, last, until only that is chosen any more.
        offered = [*left, *found] if with_found else left
        attempt = server.settle(
            hello,
            control=control,
            prepare=functools.partial(SslClient.set_groups, supported_groups=offered),
            read=_curve,
        )
        curve = attempt.reading
        match attempt.outcome:
            case Outcome.CHOSEN if curve in left:
                left.remove(curve)
                found.append(curve)
            case Outcome.CHOSEN | Outcome.REFUSED if with_found and found:
                with_found = False
            case Outcome.REFUSED:
                break
            case Outcome.CHOSEN:
                return Gap(Reason.UNREADABLE, "it chose a group that OpenSSL has no name for")
            case Outcome.BROKEN if "unexpected message" in attempt.words or "wrong curve" in attempt.words:
                # Some servers take a group that was not offered (https://github.com/nabla-c0d3/sslyze/issues/490).
                break
            case _:
                return gap_after(attempt)
    return {_group_name(curve) for curve in found}


def _preference(curve: OpenSslEcNidEnum) -> tuple[bool, int]:
    # The first is the one OpenSSL makes a TLS 1.3 key share of; any other costs a HelloRetryRequest.
    return curve is not OpenSslEcNidEnum.X25519, curve.value


def _curve(client: BaseSslClient) -> OpenSslEcNidEnum | None:
    key = ephemeral_key(client)
    # nassl declares an enumeration, and gives a number.
    return OpenSslEcNidEnum(key.curve) if isinstance(key, EcDhEphemeralKeyInfo) else None


def _group_name(curve: OpenSslEcNidEnum) -> str:
    """IANA's name (TLS Supported Groups)."""
    return curve.name if curve.name.startswith("brainpool") else curve.name.lower()
