"""What findings have in common: which of them one fix would mend."""

import hashlib
from collections.abc import Callable, Hashable, Mapping

from secscan.facts import ChainFacts
from secscan.model import Endpoint, Evidence, Finding, Observation, Subject

#: The kinds of facts that it takes.
KINDS = (ChainFacts.kind,)


def root_cause(evidence: Mapping[str, Evidence]) -> Callable[[Finding], Hashable]:
    """What one fix would mend: a certificate, wherever it stands; what fails many rules of a service by one cause;
    else a rule on a host."""
    stands: dict[Subject, str] = {}
    for of_host in evidence.values():
        for (target, kind), record in of_host.newest.items():
            if kind == ChainFacts.kind and isinstance(target, Endpoint) and isinstance(record, Observation):
                facts = record.facts
                if isinstance(facts, ChainFacts):
                    leaves = sorted(chain.certificates[0] for chain in facts.chains if chain.certificates)
                    stands[Subject.of_service(target.service)] = hashlib.sha256(b"".join(leaves)).hexdigest()

    def cause_of(finding: Finding) -> Hashable:
        if finding.check.startswith("certificate.") and finding.subject in stands:
            return ("certificate", stands[finding.subject])
        if finding.evidence.template.startswith("TLS is required on this service and is not offered"):
            return ("no TLS", finding.subject)
        return (finding.subject.host, finding.check)

    return cause_of
