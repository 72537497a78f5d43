"""Who an SSH server is, and whom it lets in: host keys, logins, and whether it is still looked after.

All but ssh.host-key judge what an SSH server shows to those who do not log in. What was sent to see it: an
identification, a proposal, half of a key exchange for each type of host key, and one request to be let in without
any check, under a name that nobody has ("secscan"). No password is guessed and no key is tried.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._ssh_names import shown
from secscan.checks._words import listed, short
from secscan.facts import AccessFacts, Gap, HostKey, Release, ShownKey, SshFacts, known
from secscan.model import Earlier, Host, Observation, Reason, Severity
from secscan.reference import EndOfLife, SharedHostKeys

# --- Limits -------------------------------------------------------------------------------------------


class RsaLimits(Limits):
    rsa_bits: int = Field(default=2048, ge=1024, le=16384, description="Fewest bits of an RSA host key.")


class LoginLimits(Limits):
    forbidden: frozenset[str] = frozenset()


class ChangeLimits(Limits):
    days: int = Field(default=30, ge=1, le=366, description="How long a change of host key is told.")


# --- Host keys ----------------------------------------------------------------------------------------


@check("ssh.host-key", severity=Severity.CRITICAL)
def host_key(seen: Observation[AccessFacts]) -> Iterator[Verdict]:
    """The host, and every jump host on the way to it, shows the SSH host key that was trusted.

    Why: The key is all that tells the host from a machine in between (RFC 4251, section 4.1). One that changed means
    that the host was installed anew, that its address went to another machine, or that somebody listens. secscan does
    not log in then, for that would hand a password or a signature to whoever it is.

    Fix: Ask whoever runs the host whether and why the key changed, and compare the fingerprints on the host's own
    console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub). If it is right: secscan trust --replace HOST. If nobody
    can tell, treat the host, or the network in between, as broken into.
    """
    if seen.facts.host_key is HostKey.CHANGED:
        yield failed("The host key is not the one that was trusted: {said}.", said=seen.facts.said)
    else:
        yield passed("The host key is the one that was trusted.")


@check("ssh.host-key-size", severity=Severity.HIGH)
def host_key_size(seen: Observation[SshFacts], limits: RsaLimits) -> Iterator[Verdict]:
    """No RSA host key is too small.

    Why: Whoever computes the private key from the public one is taken for the host by everybody who knows it. NIST SP
    800-131A revision 2 allows no RSA key below 2048 bits to sign since 2014.

    Fix: Make a new key (ssh-keygen -t rsa -b 3072 -f /etc/ssh/ssh_host_rsa_key) and restart sshd, or take the line
    HostKey with the old one out where the others do. Tell users the new fingerprint, and run: secscan trust --replace HOST.
    """
    keys = [key for key in _keys(seen.facts) if key.type.startswith("ssh-rsa")]
    small = [key for key in keys if key.bits < limits.rsa_bits]
    # A server may name algorithms for which it has no key, and hangs up on who asks: nobody gets to see a small one.
    unseen = [
        gap
        for name, gap in seen.facts.unseen_keys.items()
        if "rsa" in name and gap.reason is not Reason.REFUSED
    ]
    if small:
        yield failed(
            "An RSA host key has {bits} bits; at least {least} are expected.",
            bits=min(key.bits for key in small),
            least=limits.rsa_bits,
        )
    elif unseen:
        yield unknown(unseen[0].reason, "An RSA host key was not seen: {detail}", detail=unseen[0].detail)
    elif keys:
        yield passed("The smallest RSA host key has {bits} bits.", bits=min(key.bits for key in keys))
    else:
        yield not_applicable("The server has no RSA host key.")


@check("ssh.shared-host-key", severity=Severity.MEDIUM)
def shared_host_key(seen: Observation[SshFacts], shared: SharedHostKeys, host: Host) -> Iterator[Verdict]:
    """No other host has the same SSH host key.

    Why: A host key tells one host from all others (RFC 4251, section 4.1). Where several have the same, as those that were
    copied from one image, whoever breaks into one can take the place of any. Only keys that a server proved to have count.
    Hosts of other agencies are counted and not named.

    Fix: Make new keys on all but one (rm /etc/ssh/ssh_host_*_key*; ssh-keygen -A; restart sshd), take the keys out of the
    image, and run: secscan trust --replace HOST. Where one service stands on several machines on purpose, waive it.
    """
    keys = _keys(seen.facts)
    if not any(key.proven for key in keys):
        yield unknown(Reason.NOT_COLLECTED, "No host key was proven to be the server's own.")
        return
    for key in keys:
        holders = shared.holders.get(key.fingerprint) if key.proven else None
        own = [id for id in holders.hosts_of(host.id) if id != host.id] if holders else []
        foreign = holders.foreign_to(host.id) if holders else 0
        if own:
            yield failed(
                "The key {fingerprint} is also that of {hosts}; hosts of other agencies that have it: {foreign}.",
                object=key.type,
                fingerprint=key.fingerprint,
                hosts=listed(own),
                foreign=foreign,
            )
        elif foreign:
            yield failed(
                "Hosts of other agencies have the key {fingerprint}, too: {foreign}.",
                object=key.type,
                fingerprint=key.fingerprint,
                foreign=foreign,
            )
        elif key.proven:
            yield passed(
                "No other host that was looked at has the key {fingerprint}.",
                object=key.type,
                fingerprint=key.fingerprint,
            )


@check("ssh.host-key-changed", severity=Severity.MEDIUM)
def host_key_changed(
    seen: Observation[SshFacts], before: Earlier[SshFacts], limits: ChangeLimits, at: datetime
) -> Iterator[Verdict]:
    """The host keys are those that were seen before.

    Why: A key that changed means that the host was installed anew, that its address went to another machine, or that
    somebody stands in between (RFC 4251, section 4.1). This looks at every SSH server, also where nobody logs in; a key
    that was trusted by hand is judged by ssh.host-key. A type of key that is new is no change.

    Fix: Ask whoever runs the host whether and why the key changed. If nobody can tell, compare the fingerprint on the
    host's own console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub).
    """
    keys = {key.type: key.fingerprint for key in _keys(seen.facts)}
    changed: dict[str, str] = {}
    for look in before.looks:
        if at - look.observed_at <= timedelta(days=limits.days) and not isinstance(look.facts.host_keys, Gap):
            for key in look.facts.host_keys:
                if keys.get(key.type, key.fingerprint) != key.fingerprint:
                    changed.setdefault(key.type, key.fingerprint)
    for type, old in sorted(changed.items()):
        yield failed(
            "The key of type {type} is {new}; it was {old} before (days looked back: {days}).",
            object=type,
            type=type,
            new=keys[type],
            old=old,
            days=limits.days,
        )
    for type in sorted(keys.keys() - changed.keys()):
        yield passed(
            "No other key of type {type} was seen (days looked back: {days}).",
            object=type,
            type=type,
            days=limits.days,
        )


def _keys(facts: SshFacts) -> tuple[ShownKey, ...]:
    return known(facts.host_keys)


# --- Versions -----------------------------------------------------------------------------------------


@check("ssh.protocol1", severity=Severity.HIGH)
def protocol1(seen: Observation[SshFacts]) -> Iterator[Verdict]:
    """Version 1 of the SSH protocol is off.

    Why: Version 1 checks integrity with a CRC, which whoever sits in between can make fit, and with it insert commands.
    A server that says version 1.99 speaks both (RFC 4253, section 5.1), and old clients choose the worse. OpenSSH has
    had it switched off since 7.0.

    Fix: OpenSSH before 7.6: Protocol 2 in sshd_config. Network equipment: ip ssh version 2 (Cisco), or an update.
    """
    protocol = seen.facts.protocol
    if protocol == "2.0":
        yield passed("The server speaks version 2.0 only.")
    else:
        yield failed("The server says version {protocol}; 2.0 is expected.", protocol=short(protocol))


#: What Debian appends to the version of a package that it has updated in a stable release: +deb12u3.
_DEBIAN = re.compile(r"\bDebian-[^\s]{1,40}[+~]deb(\d{1,2})u\d")


@check("ssh.end-of-life", severity=Severity.HIGH)
def end_of_life(seen: Observation[SshFacts], dates: EndOfLife, at: datetime) -> Iterator[Verdict]:
    """The system that the SSH server names still gets security updates.

    Why: After its end of life nobody mends a release. Debian's OpenSSH says which release it was updated for (Debian-2+deb12u3
    is Debian 12), so that this can be told without a login. The version of OpenSSH itself tells little: distributions
    mend old ones.

    Fix: Move to a release that is supported, or install anew and move the service.
    """
    found = _DEBIAN.search(seen.facts.comment)
    if found is None:
        yield not_applicable("The server does not say which system it runs on.")
        return
    release = Release(id="debian", version=found[1])
    lifetime = dates.lifetime(release)
    if lifetime is None:
        yield unknown(
            Reason.NOT_COLLECTED,
            "Nothing is known of how long Debian {version} is supported.",
            version=found[1],
        )
    elif lifetime.ends is not None and at.date() > lifetime.ends:
        yield failed(
            "{system} got its last security updates on {date}.", system=lifetime.name, date=str(lifetime.ends)
        )
    else:
        yield passed(
            "{system} gets security updates until {date}.",
            system=lifetime.name,
            date=str(lifetime.ends or "-"),
        )


# --- Ways in --------------------------------------------------------------------------------------------


@check("ssh.open-login", severity=Severity.CRITICAL)
def open_login(seen: Observation[SshFacts]) -> Iterator[Verdict]:
    """Nobody is let in without a password or a key.

    Why: The request "none" asks which ways to log in there are; a server that grants it lets in whoever asks (RFC 4252,
    section 5.2). It was asked for the account "secscan", which nobody has; nothing was done once it was granted.

    Fix: Switch off anonymous logins, empty passwords (PermitEmptyPasswords no) and guest accounts.
    """
    if known(seen.facts.open_to_all):
        yield failed("The server let in an account that does not exist, without any check.")
    else:
        yield passed("The server let nobody in without a check.")


@check("ssh.login-methods", severity=Severity.MEDIUM)
def login_methods(seen: Observation[SshFacts], limits: LoginLimits) -> Iterator[Verdict]:
    """No way to log in is offered that the baseline forbids, such as passwords.

    Why: Passwords are guessed day and night wherever an SSH server can be reached, and are given away by their users; a
    key is neither. keyboard-interactive is mostly the same password asked for by PAM, though it may be a second factor.
    What is judged is what is offered to an account that nobody has; it may be otherwise for those there are (Match in
    sshd_config).

    Fix: sshd_config: PasswordAuthentication no, KbdInteractiveAuthentication no, after every user has a key. Where a
    second factor is asked for: AuthenticationMethods publickey,keyboard-interactive.
    """
    methods = known(seen.facts.methods)
    if known(seen.facts.open_to_all):
        yield failed("The server lets everybody in, and so by any way.")
        return
    found = [name for name in methods if name in limits.forbidden]
    if found:
        yield failed(
            "Offered are {methods}; {found} must not be.", methods=shown(methods), found=shown(found)
        )
    else:
        yield passed("Offered are {methods}.", methods=shown(methods))
