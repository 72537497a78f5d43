"""What SSH tells on the way in: so far, whether the host is the one that was trusted."""

from collections.abc import Iterator

from secscan.check import Verdict, check, failed, passed
from secscan.facts import AccessFacts, HostKey
from secscan.model import Observation, Severity


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
