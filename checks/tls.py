"""What a server offers in TLS: versions, cipher suites, key exchange, and flaws that are known by name.

Sources: RFC 9325 (BCP 195), Mozilla's Server Side TLS guidelines 5.7 (the *intermediate* configuration), NIST
SP 800-52 revision 2. Where they differ the milder one sets the severity. Nothing here looks at what clients prefer:
an attacker in the middle chooses among what is offered.
"""

import re
from collections.abc import Iterator

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed
from secscan.checks._tls_offers import (
    BEFORE_1_3,
    RENEGOTIABLE,
    accepted_suites,
    listed,
    offered_versions,
    offers_any,
)
from secscan.facts import EVERY_GROUP, Gap, SuiteClass, TlsAuditFacts, TlsFacts, TlsVersion, known
from secscan.model import Observation, Reason, Severity, Unobserved

# --- Limits -------------------------------------------------------------------------------------------


class DhLimits(Limits):
    bits: int = Field(
        default=2048, ge=1024, le=8192, description="Fewest bits of a finite-field Diffie-Hellman prime."
    )


class GroupLimits(Limits):
    bits: int = Field(default=224, ge=192, le=521, description="Fewest bits of an elliptic curve.")


# --- Versions -----------------------------------------------------------------------------------------


@check("tls.sslv2", severity=Severity.CRITICAL)
def sslv2(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """SSL 2.0 is off.

    Why: SSL 2.0 is broken in every part and forbidden (RFC 6176). It also endangers others: with it an attacker
    decrypts modern connections to every server that uses the same RSA key (DROWN, CVE-2016-0800).

    Fix: Allow TLS 1.2 and 1.3 only (nginx: ssl_protocols TLSv1.2 TLSv1.3; Apache: SSLProtocol -all +TLSv1.2
    +TLSv1.3; Windows: set Enabled to 0 under SCHANNEL\\Protocols\\SSL 2.0\\Server). A server that still knows
    SSL 2.0 needs a newer TLS library.
    """
    yield _off(seen.facts, TlsVersion.SSLV2)


@check("tls.sslv3", severity=Severity.HIGH)
def sslv3(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """SSL 3.0 is off.

    Why: SSL 3.0 must not be used (RFC 7568): its padding can't be checked, so that somebody in the middle reads
    cookies byte by byte (POODLE, CVE-2014-3566).

    Fix: Allow TLS 1.2 and 1.3 only (nginx: ssl_protocols TLSv1.2 TLSv1.3; Apache: SSLProtocol -all +TLSv1.2
    +TLSv1.3; Windows: set Enabled to 0 under SCHANNEL\\Protocols\\SSL 3.0\\Server).
    """
    yield _off(seen.facts, TlsVersion.SSLV3)


@check("tls.tls10", severity=Severity.MEDIUM)
def tls10(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """TLS 1.0 is off.

    Why: TLS 1.0 must not be negotiated (RFC 8996). It knows no suite with authenticated encryption, rests on MD5 and
    SHA-1, and its initialisation vectors can be foreseen (BEAST, CVE-2011-3389). Browsers left it in 2020.

    Fix: Allow TLS 1.2 and 1.3 only (nginx: ssl_protocols TLSv1.2 TLSv1.3; Apache: SSLProtocol -all +TLSv1.2
    +TLSv1.3; Windows: set Enabled to 0 under SCHANNEL\\Protocols\\TLS 1.0\\Server). Look in the logs first for
    clients that know nothing newer (nginx: $ssl_protocol).
    """
    yield _off(seen.facts, TlsVersion.TLS1_0)


@check("tls.tls11", severity=Severity.MEDIUM)
def tls11(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """TLS 1.1 is off.

    Why: TLS 1.1 must not be negotiated (RFC 8996). It knows no suite with authenticated encryption and rests on MD5
    and SHA-1. Browsers left it in 2020.

    Fix: Allow TLS 1.2 and 1.3 only (nginx: ssl_protocols TLSv1.2 TLSv1.3; Apache: SSLProtocol -all +TLSv1.2
    +TLSv1.3; Windows: set Enabled to 0 under SCHANNEL\\Protocols\\TLS 1.1\\Server).
    """
    yield _off(seen.facts, TlsVersion.TLS1_1)


def _off(facts: TlsFacts, version: TlsVersion) -> Verdict:
    if known(facts.offer(version).offered):
        return failed("{version} is offered.", version=version.value)
    return passed(
        "{version} is not offered; offered are {offered}.",
        version=version.value,
        offered=listed(offered_versions(facts)),
    )


@check("tls.modern-version", severity=Severity.HIGH)
def modern_version(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """TLS 1.2 or TLS 1.3 is offered.

    Why: Only these are still fit for use (RFC 9325, section 3.1.1; NIST SP 800-52r2, section 3.1). Current clients
    offer nothing older, so they can't connect at all to a server that has neither.

    Fix: Update the TLS library (OpenSSL 1.0.1 and later know TLS 1.2, 1.1.1 and later TLS 1.3; Windows Server 2012
    knows TLS 1.2, 2022 TLS 1.3) and allow both versions. Where the product can't, put a reverse proxy before it.
    """
    if offers_any(seen.facts, (TlsVersion.TLS1_2, TlsVersion.TLS1_3)):
        yield passed("Offered are {offered}.", offered=listed(offered_versions(seen.facts)))
    else:
        yield failed(
            "Offered are {offered}; TLSv1.2 or TLSv1.3 is expected.",
            offered=listed(offered_versions(seen.facts)),
        )


@check("tls.tls13", severity=Severity.LOW)
def tls13(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """TLS 1.3 is offered.

    Why: TLS 1.3 (RFC 8446) has no known weak option left to choose, hides the certificate from listeners and is
    faster. RFC 9325 says that servers should offer it, NIST SP 800-52r2 demanded it of agencies from 2024.

    Fix: Update the TLS library (OpenSSL 1.1.1 or later; Windows Server 2022 or later) and add the version (nginx:
    ssl_protocols TLSv1.2 TLSv1.3; Apache: SSLProtocol -all +TLSv1.2 +TLSv1.3).
    """
    if known(seen.facts.offer(TlsVersion.TLS1_3).offered):
        yield passed("TLSv1.3 is offered.")
    else:
        yield failed(
            "TLSv1.3 is not offered; offered are {offered}.", offered=listed(offered_versions(seen.facts))
        )


# --- Cipher suites that must not be there -----------------------------------------------------------------


@check("tls.null", severity=Severity.CRITICAL)
def null(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """No cipher suite without encryption is offered.

    Why: NULL suites send everything readable, passwords included, while the address bar says otherwise. They must
    not be negotiated (RFC 9325, section 4.1).

    Fix: Set a list of suites that names what is wanted (nginx: ssl_ciphers
    ECDHE+AESGCM:ECDHE+CHACHA20; Apache: SSLCipherSuite with the same), never one that begins with ALL or
    COMPLEMENTOFALL. On Windows leave NULL disabled under SCHANNEL\\Ciphers.
    """
    accepted = accepted_suites(seen.facts, TlsVersion)
    found = accepted.having(SuiteClass.NULL)
    if found:
        yield failed("Suites without encryption are accepted: {suites}.", suites=found)
    else:
        accepted.settle(SuiteClass.NULL)
        yield passed("None of the suites accepted is without encryption.")


@check("tls.anonymous", severity=Severity.CRITICAL)
def anonymous(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """No cipher suite without authentication of the server is offered.

    Why: In an anonymous key exchange nobody proves who he is: anybody in the middle can take both parts, read and
    change everything (RFC 5246, section F.1.1.1).

    Fix: Exclude them (OpenSSL notation: add !aNULL to the list of suites; Java: anon in
    jdk.tls.disabledAlgorithms). For mail servers that allow them for opportunistic delivery (Postfix:
    smtpd_tls_exclude_ciphers = aNULL) authenticated suites serve as well.
    """
    accepted = accepted_suites(seen.facts, BEFORE_1_3)
    found = accepted.having(SuiteClass.ANONYMOUS)
    if found:
        yield failed("Suites without authentication are accepted: {suites}.", suites=found)
    else:
        accepted.settle(SuiteClass.ANONYMOUS)
        yield passed("None of the suites accepted is anonymous.")


@check("tls.export", severity=Severity.CRITICAL)
def export(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """No cipher suite weakened for export is offered.

    Why: Export suites were made to be broken, with keys of 40 and 56 bits and RSA of 512. Somebody in the middle
    can force also modern clients down to them and factor the key in hours (FREAK, CVE-2015-0204; Logjam,
    CVE-2015-4000).

    Fix: Exclude them (OpenSSL notation: !EXPORT) and update the TLS library: OpenSSL has none since 1.1.0.
    """
    accepted = accepted_suites(seen.facts, BEFORE_1_3)
    found = accepted.having(SuiteClass.EXPORT)
    if found:
        yield failed("Suites weakened for export are accepted: {suites}.", suites=found)
    else:
        accepted.settle(SuiteClass.EXPORT)
        yield passed("None of the suites accepted is for export.")


@check("tls.rc4", severity=Severity.HIGH)
def rc4(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """No cipher suite with RC4 is offered.

    Why: RC4's output is biased enough that cookies are recovered from traffic in days (AlFardan and others, 2013;
    Vanhoef and Piessens, 2015). It must not be negotiated (RFC 7465).

    Fix: Exclude it (OpenSSL notation: !RC4; Windows: set Enabled to 0 under SCHANNEL\\Ciphers\\RC4 128/128, 56/128
    and 40/128).
    """
    accepted = accepted_suites(seen.facts, BEFORE_1_3)
    found = accepted.having(SuiteClass.RC4)
    if found:
        yield failed("Suites with RC4 are accepted: {suites}.", suites=found)
    else:
        accepted.settle(SuiteClass.RC4)
        yield passed("None of the suites accepted uses RC4.")


@check("tls.des", severity=Severity.HIGH)
def des(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """No cipher suite with single DES or another key below 112 bits is offered.

    Why: Keys of 56 bits are found by trying all, for the price of a meal. Less than 112 bits must not be negotiated
    (RFC 9325, section 4.1). Suites for export and with RC4 have rules of their own.

    Fix: Exclude them (OpenSSL notation: !DES:!LOW; Windows: set Enabled to 0 under SCHANNEL\\Ciphers\\DES 56/56).
    """
    accepted = accepted_suites(seen.facts, BEFORE_1_3)
    found = accepted.having(SuiteClass.SHORT_KEY)
    if found:
        yield failed("Suites with keys below 112 bits are accepted: {suites}.", suites=found)
    else:
        accepted.settle(SuiteClass.SHORT_KEY)
        yield passed("None of the suites accepted has a short key.")


@check("tls.block-64", severity=Severity.MEDIUM)
def block_64(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """No cipher suite with blocks of 64 bits (3DES, IDEA, RC2) is offered.

    Why: After some 32 gigabytes in one connection such blocks begin to repeat, and cookies can be recovered (Sweet32,
    CVE-2016-2183). NIST has withdrawn 3DES for encryption after 2023 (SP 800-131A).

    Fix: Exclude them (OpenSSL notation: !3DES:!IDEA:!RC2; Windows: set Enabled to 0 under SCHANNEL\\Ciphers\\Triple
    DES 168).
    """
    accepted = accepted_suites(seen.facts, BEFORE_1_3)
    found = accepted.having(SuiteClass.BLOCK64)
    if found:
        yield failed("Suites with blocks of 64 bits are accepted: {suites}.", suites=found)
    else:
        accepted.settle(SuiteClass.BLOCK64)
        yield passed("None of the suites accepted has blocks of 64 bits.")


@check("tls.cbc", severity=Severity.LOW)
def cbc(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """No cipher suite in CBC mode is offered.

    Why: In TLS the check comes after the padding, and hiding from an attacker which of the two failed has gone
    wrong again and again (Lucky Thirteen, 2013; Zombie POODLE and GOLDENDOODLE, 2019). CBC should not be used
    without encrypt_then_mac (RFC 9325, section 4.2); Mozilla's intermediate configuration has none left.

    Fix: Name suites with GCM, CCM or ChaCha20 only (nginx: ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20). Clients that
    know none of these are older than 2014 (Windows 8.0, Android 4).
    """
    accepted = accepted_suites(seen.facts, BEFORE_1_3)
    found = accepted.having(SuiteClass.CBC)
    if found:
        yield failed("Suites in CBC mode are accepted: {suites}.", suites=found)
    else:
        accepted.settle(SuiteClass.CBC)
        yield passed("None of the suites accepted is in CBC mode.")


@check("tls.static-key-exchange", severity=Severity.LOW)
def static_key_exchange(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """Every cipher suite offered has forward secrecy.

    Why: Without it, who gets the server's key one day (from a thief, a backup, a court) decrypts all that was
    recorded before. RSA key transport has also been broken through its padding for twenty-five years
    (Bleichenbacher 1998, ROBOT 2017, Marvin 2023). Servers should not negotiate it (RFC 9325, section 4.1).

    Fix: Leave only ECDHE, and DHE if it must be (OpenSSL notation: !kRSA; Windows: remove TLS_RSA_WITH_ suites with
    Disable-TlsCipherSuite).
    """
    accepted = accepted_suites(seen.facts, BEFORE_1_3)
    found = accepted.having(SuiteClass.STATIC)
    if found:
        yield failed("Suites without forward secrecy are accepted: {suites}.", suites=found)
    else:
        accepted.settle(SuiteClass.STATIC)
        yield passed("All suites accepted have forward secrecy.")


# --- Cipher suites that should be there -------------------------------------------------------------------


@check("tls.aead", severity=Severity.MEDIUM)
def aead(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """A cipher suite with authenticated encryption (GCM, CCM, ChaCha20-Poly1305) is offered.

    Why: Only these join encryption and integrity without gaps between them; every other mode of TLS has been
    attacked in practice. RFC 9325, section 4.2, recommends nothing else, and TLS 1.3 has nothing else.

    Fix: Offer TLS 1.2 or later with them (nginx: ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20; Windows:
    Enable-TlsCipherSuite TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384).
    """
    accepted = accepted_suites(seen.facts, TlsVersion)
    found = accepted.having(SuiteClass.AEAD)
    if found:
        yield passed("Suites with authenticated encryption are accepted: {suites}.", suites=found)
    else:
        accepted.settle(SuiteClass.AEAD)
        yield failed("None of the suites accepted has authenticated encryption.")


@check("tls.forward-secrecy", severity=Severity.MEDIUM)
def forward_secrecy(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """A cipher suite with forward secrecy (ECDHE, DHE, TLS 1.3) is offered.

    Why: With forward secrecy recordings stay unreadable even if the server's key is stolen later. Servers must
    support it (RFC 9325, section 4.1). Where no suite has it, every connection ever made hangs on that one key.

    Fix: Offer ECDHE suites and let the server choose (nginx: ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_ecdh_curve X25519:prime256v1).
    """
    accepted = accepted_suites(seen.facts, TlsVersion)
    found = accepted.having(SuiteClass.FORWARD_SECRECY)
    if found:
        yield passed("Suites with forward secrecy are accepted: {suites}.", suites=found)
    else:
        accepted.settle(SuiteClass.FORWARD_SECRECY)
        yield failed("None of the suites accepted has forward secrecy.")


# --- Key exchange ---------------------------------------------------------------------------------------


@check("tls.dh-size", severity=Severity.HIGH)
def dh_size(seen: Observation[TlsFacts], limits: DhLimits) -> Iterator[Verdict]:
    """Finite-field Diffie-Hellman uses a prime of at least 2048 bits, or is not offered.

    Why: For a prime of 512 bits a laptop finds the session key, for one of 1024 a state can (Logjam, 2015: one
    calculation serves for every server that shares the prime, and most do). At least 2048 bits are required
    (RFC 9325, section 4.5). From 1024 bits on it fails as medium only. The baseline may set another limit.

    Fix: Offer ECDHE only (OpenSSL notation: !kDHE), or take a prime of RFC 7919 (nginx: ssl_dhparam with ffdhe2048
    or larger; Apache: SSLOpenSSLConfCmd DHParameters; Windows: ServerMinKeyBitLength 2048 under
    KeyExchangeAlgorithms\\Diffie-Hellman).
    """
    bits = known(seen.facts.dh_bits)
    if bits == 0:
        yield not_applicable("No suite with finite-field Diffie-Hellman is accepted.")
    elif bits >= limits.bits:
        yield passed("The smallest prime seen has {bits} bits.", bits=bits)
    else:
        yield failed(
            "A prime of {bits} bits was seen; at least {least} are expected.",
            severity=Severity.HIGH if bits < 1024 else Severity.MEDIUM,
            bits=bits,
            least=limits.bits,
        )


@check("tls.groups", severity=Severity.MEDIUM)
def groups(seen: Observation[TlsFacts], limits: GroupLimits) -> Iterator[Verdict]:
    """No elliptic curve below 224 bits is accepted for key exchange.

    Why: Such curves give less than 112 bits of security and must not be used (RFC 9325, section 4.5; NIST
    SP 800-56A). Curves that the client describes by itself (explicit parameters) let it choose a broken one and are
    forbidden (RFC 8422, section 5.1.1). The baseline may set another limit.

    Fix: Name the curves (nginx: ssl_ecdh_curve X25519:prime256v1:secp384r1; Apache: SSLOpenSSLConfCmd Groups
    X25519:P-256:P-384; Windows: the policy ECC Curve Order).
    """
    accepted = known(seen.facts.groups)
    weak = [name for name in accepted if _is_weak(name, limits.bits)]
    if not weak and seen.facts.groups_below < limits.bits:
        asked = f"only curves below {seen.facts.groups_below} bits were all asked about"
        known(Gap(Reason.NOT_COLLECTED, asked))
    if not accepted and seen.facts.groups_below == EVERY_GROUP:
        yield not_applicable("No elliptic curve is accepted for key exchange.")
    elif weak:
        yield failed(
            "Curves below {least} bits are accepted: {groups}.", least=limits.bits, groups=listed(weak)
        )
    elif not accepted:
        yield passed("No curve below {least} bits is accepted.", least=limits.bits)
    else:
        yield passed("The groups accepted are {groups}.", groups=listed(accepted))


def _is_weak(group: str, least: int) -> bool:
    """The names of SEC 2, X9.62 and RFC 5639 hold the bits of the field; every other group of IANA is larger."""
    if group.startswith("arbitrary_explicit_"):
        return True
    named = re.match(r"(?:sec[pt]|prime|brainpoolP)(\d+)", group, re.IGNORECASE)
    return named is not None and int(named[1]) < least


# --- Flaws known by name ----------------------------------------------------------------------------------


@check("tls.heartbleed", severity=Severity.CRITICAL)
def heartbleed(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """The server is not open to Heartbleed.

    Why: Whoever asks reads the server's memory, 64 kB at a time and without a trace: passwords, sessions, the
    private key (CVE-2014-0160). It is on the list of vulnerabilities known to be exploited.

    Fix: Update OpenSSL (1.0.1g or later, better a branch still maintained) and restart everything that uses it. Then
    take the key for stolen: make a new one, have the certificate revoked and issued again, change passwords.
    """
    if known(seen.facts.heartbleed):
        yield failed("It gave away memory in answer to a malformed heartbeat (CVE-2014-0160).")
    else:
        yield passed("It gave nothing away in answer to a malformed heartbeat.")


@check("tls.ccs-injection", severity=Severity.HIGH)
def ccs_injection(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """The server refuses a change of cipher before keys are agreed.

    Why: A server that takes the message too early goes on with an empty key, which somebody in the middle knows as
    well; with a client that has the same flaw he reads and changes everything (CVE-2014-0224).

    Fix: Update OpenSSL (0.9.8za, 1.0.0m, 1.0.1h or later, better a branch still maintained) and restart everything
    that uses it.
    """
    if known(seen.facts.ccs_injection):
        yield failed("It took an early change of cipher (CVE-2014-0224).")
    else:
        yield passed("It refused an early change of cipher.")


@check("tls.robot", severity=Severity.CRITICAL)
def robot(seen: Observation[TlsFacts], audit: Observation[TlsAuditFacts] | Unobserved) -> Iterator[Verdict]:
    """The server's answers do not give away the padding of RSA key exchange.

    Why: A server that answers differently to right and wrong padding can be made to decrypt recorded sessions and
    to sign in its own name (ROBOT, 2017; Bleichenbacher, 1998). Where the answers help only little, the attack takes
    millions of requests, and it fails as high only.

    Fix: Switch off RSA key transport (OpenSSL notation: !kRSA; Windows: Disable-TlsCipherSuite for every TLS_RSA_WITH_)
    and install the vendor's update; on load balancers both F5 and Citrix had advisories of their own.
    """
    said = seen.facts.robot
    if isinstance(said, Gap):
        accepted = accepted_suites(seen.facts, RENEGOTIABLE)
        if not accepted.having(SuiteClass.RSA_TRANSPORT):
            accepted.settle(SuiteClass.RSA_TRANSPORT)
            yield not_applicable("No suite with RSA key transport is accepted.")
            return
        if isinstance(audit, Observation):
            said = audit.facts.robot
        elif said.reason is Reason.NOT_COLLECTED:
            said = Gap(audit.reason, audit.detail)
    match known(said):
        case "none":
            yield passed("Its answers do not tell right padding from wrong.")
        case "weak":
            yield failed(
                "Its answers tell right padding from wrong, though slowly (weak oracle).",
                severity=Severity.HIGH,
            )
        case _:
            yield failed("Its answers tell right padding from wrong (strong oracle).")


@check("tls.compression", severity=Severity.MEDIUM)
def compression(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """TLS compression is off.

    Why: How well a request compresses tells how much of a guess was right: cookies are found letter by letter
    (CRIME, CVE-2012-4929). It should not be supported (RFC 9325, section 3.3).

    Fix: Update the TLS library (OpenSSL has it off since 1.1.0) or switch it off (Apache: SSLCompression off; nginx
    1.2.2 and later never uses it).
    """
    if known(seen.facts.compression):
        yield failed("It compresses inside TLS.")
    else:
        yield passed("It does not compress inside TLS.")


@check("tls.secure-renegotiation", severity=Severity.MEDIUM)
def secure_renegotiation(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """The server supports secure renegotiation.

    Why: Without the extension of RFC 5746 somebody in the middle puts his own request before a client's, and the
    server takes both for the client's (CVE-2009-3555). Current clients refuse such servers (OpenSSL 3). TLS 1.3 has
    no renegotiation.

    Fix: Update the TLS library; every one since 2010 has the extension. Where the product can't, put a reverse proxy
    before it.
    """
    if not offers_any(seen.facts, BEFORE_1_3):
        yield not_applicable("Only TLSv1.3 is offered, which has no renegotiation.")
    elif known(seen.facts.secure_renegotiation):
        yield passed("It answers with renegotiation_info (RFC 5746).")
    else:
        yield failed("It does not answer with renegotiation_info (RFC 5746).")


@check("tls.client-renegotiation", severity=Severity.MEDIUM)
def client_renegotiation(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """The server does not renegotiate because a client asks.

    Why: Each renegotiation costs the server many times what it costs the client, so a single machine can keep it
    busy through few connections (CVE-2011-1473). Hardly any client needs it.

    Fix: Update the server (nginx and Apache refuse it; OpenSSL 1.1.0h and later: SSL_OP_NO_RENEGOTIATION, from 3.0 on
    by default; Windows: DisableRenegoOnServer 1 under SCHANNEL).
    """
    if not offers_any(seen.facts, BEFORE_1_3):
        yield not_applicable("Only TLSv1.3 is offered, which has no renegotiation.")
    elif known(seen.facts.client_renegotiation):
        yield failed("It renegotiates when a client asks.")
    else:
        yield passed("It does not renegotiate when a client asks.")


# --- Safeguards -------------------------------------------------------------------------------------------


@check("tls.fallback-scsv", severity=Severity.LOW)
def fallback_scsv(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """A client that was pushed to an older version is told so.

    Why: Some clients try again with an older version when a connection fails, and somebody in the middle can make it
    fail. They then send TLS_FALLBACK_SCSV, and a server that knows it refuses what is older than need be (RFC 7507).
    It matters only where more than one version before TLS 1.3 is offered; TLS 1.3 has its own safeguard.

    Fix: Offer TLS 1.2 and 1.3 only; then nothing is left to fall back to. Otherwise update the TLS library (OpenSSL
    1.0.1j and later know it).
    """
    old = [seen.facts.offer(version).offered for version in BEFORE_1_3]
    sure = sum(offered is True for offered in old)
    if sure + sum(isinstance(offered, Gap) for offered in old) < 2:
        yield not_applicable("Of the versions before TLSv1.3 at most one is offered.")
        return
    refused = known(seen.facts.fallback_scsv)
    if sure < 2 and not refused:
        # It only fails where there is something to fall back to.
        for offered in old:
            known(offered)
    if refused:
        yield passed("A downgraded hello with TLS_FALLBACK_SCSV is refused.")
    else:
        yield failed(
            "A downgraded hello with TLS_FALLBACK_SCSV is accepted; offered are {offered}.",
            offered=listed(offered_versions(seen.facts)),
        )


@check("tls.extended-master-secret", severity=Severity.LOW)
def extended_master_secret(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """The keys of TLS 1.2 are bound to the whole handshake (extended master secret).

    Why: Without it somebody in the middle can make two sessions that share one key, and use what a client proved in
    one of them in the other (Triple Handshake, 2014). Support is demanded (RFC 9325, section 3.5; RFC 7627), and by
    FIPS 140-3 since 2023. TLS 1.3 does it always.

    Fix: Update the TLS library (OpenSSL 1.1.0 and later; GnuTLS 3.4; Java 8u161; Windows since the update of 2015).
    """
    if not offers_any(seen.facts, BEFORE_1_3):
        yield not_applicable("Only TLSv1.3 is offered, which binds its keys always.")
    elif known(seen.facts.extended_master_secret):
        yield passed("It uses the extended master secret (RFC 7627).")
    else:
        yield failed("It does not use the extended master secret (RFC 7627).")


@check("tls.early-data", severity=Severity.LOW)
def early_data(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """Early data (0-RTT) is not accepted.

    Why: What a client sends in its first flight can be recorded and sent again; the server takes it for new
    (RFC 8446, section 8). That is harmless for reading a page and not for a payment. It must be avoided unless the
    application's protocol says how to use it safely (RFC 9325, section 3.10; for HTTP RFC 8470).

    Fix: Switch it off (nginx: ssl_early_data off, which is the default; on a content network: the option 0-RTT), or
    make the application refuse early data for all but harmless requests (status 425) and waive this rule.
    """
    if known(seen.facts.offer(TlsVersion.TLS1_3).offered) is False:
        yield not_applicable("TLSv1.3 is not offered, and nothing else has early data.")
    elif known(seen.facts.early_data):
        yield failed("Early data is accepted.")
    else:
        yield passed("Early data is not accepted.")
