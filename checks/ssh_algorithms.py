"""Which algorithms SSH servers offer: each is chosen by what the client likes best, and so by whoever is the client.

No check here sends anything. What was sent to see the lists: an identification and a proposal of our own, over a
connection that was closed before any login.
"""

from collections.abc import Iterable, Iterator

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._ssh_names import STRICT, matching, shown
from secscan.facts import Gap, SshFacts, known
from secscan.model import Observation, Severity

# --- Limits: names fail word for word, or up to an asterisk --------------------------------------------------


class KeyExchangeLimits(Limits):
    weak: tuple[str, ...] = ("diffie-hellman-group1-sha1", "gss-group1-sha1-*", "rsa1024-sha1")


class Sha1Limits(Limits):
    weak: tuple[str, ...] = (
        "diffie-hellman-group-exchange-sha1",
        "gss-gex-sha1-*",
        "gss-group14-sha1-*",
        "diffie-hellman-group14-sha1",
        "ssh-rsa",
        "ssh-rsa-cert-v01@openssh.com",
    )


class HostKeyLimits(Limits):
    weak: tuple[str, ...] = ("ssh-dss", "ssh-dss-cert-*")


class CipherLimits(Limits):
    """``small_blocks``: ciphers with blocks of 64 bits, which fail less gravely."""

    weak: tuple[str, ...] = ("none", "arcfour*", "des-cbc*")
    small_blocks: tuple[str, ...] = ("3des-*", "blowfish-*", "cast128-*", "idea-*")


class CbcLimits(Limits):
    weak: tuple[str, ...] = (
        "aes128-cbc",
        "aes192-cbc",
        "aes256-cbc",
        "rijndael-cbc@lysator.liu.se",
        "seed-cbc@ssh.com",
        "twofish-cbc",
        "twofish128-cbc",
        "twofish192-cbc",
        "twofish256-cbc",
        "serpent128-cbc",
        "serpent192-cbc",
        "serpent256-cbc",
    )


class MacLimits(Limits):
    weak: tuple[str, ...] = (
        "none",
        "hmac-md5*",
        "hmac-sha1-96*",
        "hmac-sha2-256-96*",
        "hmac-sha2-512-96*",
        "hmac-ripemd160*",
    )


class GroupLimits(Limits):
    bits: int = Field(default=2048, ge=1024, le=8192, description="Fewest bits of a modulus that is given.")


class HybridLimits(Limits):
    """``hybrids``: key exchanges that withstand a quantum computer."""

    hybrids: tuple[str, ...] = ("mlkem*", "sntrup*")


# --- Key exchange, host keys, ciphers, message authentication -----------------------------------------------


@check("ssh.key-exchange", severity=Severity.HIGH)
def key_exchange(seen: Observation[SshFacts], limits: KeyExchangeLimits) -> Iterator[Verdict]:
    """No key exchange is offered over a group or a key of 1024 bits.

    Why: Whoever records a session and breaks the exchange reads all of it. A fixed group of 1024 bits is broken once
    and then for everybody who uses it, which is within reach of states (Logjam, 2015). RFC 9142, section 4, says
    SHOULD NOT of diffie-hellman-group1-sha1 and MUST NOT of rsa1024-sha1; OpenSSH has had the first switched off
    since 7.0.

    Fix: OpenSSH: take the line KexAlgorithms out of sshd_config, or name curve25519-sha256,
    diffie-hellman-group16-sha512 and newer ones only. Devices: update them, then choose their list of "strong" or
    "modern" algorithms.
    """
    yield from _none_of(
        known(seen.facts.algorithms).key_exchange,
        limits.weak,
        bad="Key exchanges over 1024 bits are offered: {names}.",
        good="None of the {count} key exchanges offered is over 1024 bits.",
    )


@check("ssh.sha1", severity=Severity.MEDIUM)
def sha1(seen: Observation[SshFacts], limits: Sha1Limits) -> Iterator[Verdict]:
    """No key exchange and no signature of the host that rests on SHA-1 is offered.

    Why: SHA-1 is broken: texts of two meanings with one hash can be made, and so signatures that are good for both. RSA
    keys have had better ones since RFC 8332. RFC 9142, section 4, says SHOULD NOT of
    diffie-hellman-group-exchange-sha1 and of what GSS-API does with SHA-1; OpenSSH took diffie-hellman-group14-sha1 out
    of what it offers by itself in 8.2, and the signature ssh-rsa in 8.8. What is over 1024 bits besides is judged by
    ssh.key-exchange.

    Fix: OpenSSH: take KexAlgorithms, HostKeyAlgorithms and PubkeyAcceptedAlgorithms out of sshd_config, or take the
    names out of them; the host key itself can stay, for rsa-sha2-512 signs with the same.
    """
    algorithms = known(seen.facts.algorithms)
    yield from _none_of(
        (*algorithms.key_exchange, *algorithms.host_key),
        limits.weak,
        bad="Key exchanges or signatures with SHA-1 are offered: {names}.",
        good="None of the {count} key exchanges and signatures offered rests on SHA-1.",
    )


@check("ssh.host-key-algorithms", severity=Severity.HIGH)
def host_key_algorithms(seen: Observation[SshFacts], limits: HostKeyLimits) -> Iterator[Verdict]:
    """No host key of DSA is offered.

    Why: ssh-dss signs with SHA-1 and numbers of 160 bits only (RFC 4253, section 6.6), and whoever breaks a host's key is
    taken for the host. OpenSSH has had it switched off since 7.0.

    Fix: OpenSSH: take the line HostKey with ssh_host_dsa_key, and ssh-dss in HostKeyAlgorithms, out of sshd_config.
    Devices: make a key of RSA (3072 bits), ECDSA or Ed25519, and remove the old one.
    """
    yield from _none_of(
        known(seen.facts.algorithms).host_key,
        limits.weak,
        bad="Weak host keys are offered: {names}.",
        good="None of the {count} host key algorithms offered is weak.",
    )


@check("ssh.ciphers", severity=Severity.HIGH)
def ciphers(seen: Observation[SshFacts], limits: CipherLimits) -> Iterator[Verdict]:
    """No cipher is offered that is broken, or has blocks of 64 bits.

    Why: RC4 must not be used (RFC 8758), DES has 56 bits, and "none" encrypts nothing. With blocks of 64 bits, as of
    3DES, Blowfish and CAST, some ten gigabytes under one key give away what was in them (SWEET32, CVE-2016-2183;
    OpenSSH 7.4 took 3DES from its client for it): these count as medium.

    Fix: OpenSSH: take the line Ciphers out of sshd_config, or name aes256-gcm@openssh.com, aes128-gcm@openssh.com,
    aes256-ctr and aes128-ctr only.
    """
    offered = known(seen.facts.algorithms).ciphers
    broken, small = matching(offered, limits.weak), matching(offered, limits.small_blocks)
    if broken:
        yield failed("Broken ciphers are offered: {names}.", object="broken", names=shown(broken))
    else:
        yield passed("None of the {count} ciphers offered is broken.", object="broken", count=len(offered))
    if small:
        yield failed(
            "Ciphers with blocks of 64 bits are offered: {names}.",
            object="small-blocks",
            severity=Severity.MEDIUM,
            names=shown(small),
        )
    else:
        yield passed(
            "None of the {count} ciphers offered has blocks of 64 bits.",
            object="small-blocks",
            count=len(offered),
        )


@check("ssh.cbc", severity=Severity.LOW)
def cbc(seen: Observation[SshFacts], limits: CbcLimits) -> Iterator[Verdict]:
    """No cipher in CBC mode is offered.

    Why: SSH sends a packet's length encrypted and acts on it before the packet is checked, from which somebody in the
    middle learns some of what CBC encrypts (CVE-2008-5161). Servers do what they can to hide it; modes without the
    weakness have been there since RFC 4344. OpenSSH's client offers no CBC by itself since 7.6.

    Fix: OpenSSH: take the line Ciphers out of sshd_config, or take the names that end in -cbc out of it.
    """
    yield from _none_of(
        known(seen.facts.algorithms).ciphers,
        limits.weak,
        bad="Ciphers in CBC mode are offered: {names}.",
        good="None of the {count} ciphers offered is in CBC mode.",
    )


@check("ssh.macs", severity=Severity.MEDIUM)
def macs(seen: Observation[SshFacts], limits: MacLimits) -> Iterator[Verdict]:
    """No message authentication is offered that is missing, truncated to 96 bits or made with MD5.

    Why: It is what shows that nobody changed a session on its way; "none" shows nothing. OpenSSH has had those with MD5
    and the truncated ones switched off since 7.2, and dropped RIPEMD-160 in 7.6.

    Fix: OpenSSH: take the line MACs out of sshd_config, or name hmac-sha2-512-etm@openssh.com,
    hmac-sha2-256-etm@openssh.com and umac-128-etm@openssh.com only.
    """
    yield from _none_of(
        known(seen.facts.algorithms).macs,
        limits.weak,
        bad="Weak message authentication is offered: {names}.",
        good="None of the {count} message authentications offered is weak.",
    )


@check("ssh.terrapin", severity=Severity.MEDIUM)
def terrapin(seen: Observation[SshFacts]) -> Iterator[Verdict]:
    """Nobody in the middle can cut the beginning off a session unnoticed (Terrapin, CVE-2023-48795).

    Why: With chacha20-poly1305@openssh.com, or CBC with encrypt-then-MAC, packets can be put in before encryption begins
    and taken out after it, where a server does not insist on a strict key exchange. What is cut off are extensions such
    as the ones that protect against timing of keystrokes (release notes of OpenSSH 9.6); in some servers it was worse
    (CVE-2023-46446). It is judged by what the server offers, so a server that was mended is seen to be.

    Fix: Update the server (OpenSSH 9.6, or the security update of your distribution, which keeps the version's number),
    and clients too. Until then: Ciphers -chacha20-poly1305@openssh.com,*-cbc in sshd_config.
    """
    algorithms = known(seen.facts.algorithms)
    if STRICT in algorithms.key_exchange:
        yield passed("The server insists on a strict key exchange.")
        return
    directions = (
        (algorithms.ciphers_to_server, algorithms.macs_to_server),
        (algorithms.ciphers_to_client, algorithms.macs_to_client),
    )
    open_to_it = dict.fromkeys(name for pair in directions for name in _cut_off_under(*pair))
    if open_to_it:
        yield failed(
            "There is no strict key exchange, and what the attack works on is offered: {names}.",
            names=shown(open_to_it),
        )
    else:
        yield passed("There is no strict key exchange, and nothing that the attack works on is offered.")


def _cut_off_under(ciphers: Iterable[str], macs: Iterable[str]) -> Iterator[str]:
    has_etm = any("-etm@" in name for name in macs)
    for name in ciphers:
        if name == "chacha20-poly1305@openssh.com" or (name.endswith("-cbc") and has_etm):
            yield name


@check("ssh.group-size", severity=Severity.HIGH)
def group_size(seen: Observation[SshFacts], limits: GroupLimits) -> Iterator[Verdict]:
    """Clients that ask for a small group get none that is small (Diffie-Hellman group exchange).

    Why: In group exchange the client says how big a group it would like, and the server chooses (RFC 4419). A group below
    2048 bits must not be chosen (RFC 8270): a client that asks for 1024 may be an old one, or somebody in the middle may
    have asked. Two groups are asked for: one of 1024 bits or more, and one of 2048 or more.

    Fix: OpenSSH: keep only the lines of /etc/ssh/moduli whose fifth field (moduli(5)) is 2047 or more, and update it. Or
    leave diffie-hellman-group-exchange-* out of KexAlgorithms.
    """
    offers = known(seen.facts.groups)
    if not offers:
        yield not_applicable("The server does not let clients ask for groups.")
        return
    sizes = [offer.given for offer in offers]
    small = sorted({size for size in sizes if not isinstance(size, Gap) and 0 < size < limits.bits})
    gap = next((size for size in sizes if isinstance(size, Gap)), None)
    if small:
        yield failed(
            "The server gave a group of {bits} bits; at least {least} are expected.",
            bits=small[0],
            least=limits.bits,
        )
    elif gap is not None:
        yield unknown(gap.reason, "A group was asked for and not seen: {detail}", detail=gap.detail)
    elif any(sizes):
        given = min(size for size in sizes if not isinstance(size, Gap) and size)
        yield passed("The smallest group given has {bits} bits.", bits=given)
    else:
        yield passed("The server names group exchange, and gave no group to who asked for 1024 bits or more.")


@check("ssh.post-quantum", severity=Severity.INFO)
def post_quantum(seen: Observation[SshFacts], limits: HybridLimits) -> Iterator[Verdict]:
    """A key exchange that withstands quantum computers is offered.

    Why: A session that is recorded today can be read on the day that there is a computer that breaks curves and groups.
    Hybrid exchanges join one of these with ML-KEM or Streamlined NTRU Prime, so that both must be broken; OpenSSH offers
    one by default since 9.0.

    Fix: Update the server: OpenSSH 9.0 or later (sntrup761x25519-sha512), 9.9 or later (mlkem768x25519-sha256), and take
    the line KexAlgorithms out of sshd_config, where it keeps them out.
    """
    offered = known(seen.facts.algorithms).key_exchange
    hybrids = matching(offered, limits.hybrids)
    if hybrids:
        yield passed("Offered are {names}.", names=shown(hybrids))
    else:
        yield failed(
            "None of the {count} key exchanges offered withstands quantum computers.", count=len(offered)
        )


def _none_of(names: Iterable[str], patterns: Iterable[str], *, bad: str, good: str) -> Iterator[Verdict]:
    offered = tuple(names)
    found = matching(offered, patterns)
    if found:
        yield failed(bad, names=shown(found))
    else:
        yield passed(good, count=len(offered))
