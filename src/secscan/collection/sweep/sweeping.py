"""One endpoint from first contact to facts."""

import random
from typing import TypeVar

from secscan.collection.sweep.asking import Answer, Asker, Declined, Server, Unclear
from secscan.collection.sweep.handshake import Handshakes
from secscan.collection.sweep.introduction import PROTOCOLS
from secscan.collection.sweep.questions import Questions
from secscan.collection.sweep.seen import Seen
from secscan.collection.sweep.settings import Depth, SweepSettings, Swept
from secscan.facts import Gap
from secscan.model import Endpoint, Reason
from secscan.scope import Gate, ProbeLogError, Refused, canonical_name

FailureT = TypeVar("FailureT", bound=BaseException)


async def sweep(
    endpoint: Endpoint,
    gate: Gate,
    *,
    depth: Depth,
    settings: SweepSettings,
    starttls: str = "",
    shuffle: random.Random | None = None,
) -> Swept:
    """What an endpoint offers in TLS, and which certificates it sends.

    ``starttls`` names the protocol that goes over to TLS, where TLS does not begin with the first byte. ``shuffle`` asks
    in another order: the facts must not depend on it. Many sweeps may run in one event loop. Raises ProbeLogError, and
    nothing on account of what a server says.
    """
    service = endpoint.service
    try:
        name = canonical_name(service.server_name) if service.server_name else ""
        server = Server(endpoint, gate, settings, server_name=name, starttls=starttls)
        asker = Asker(server, depth)
    except ValueError as error:
        gap = Gap(Reason.NOT_ATTEMPTED, str(error))
        return Swept(gap, gap)
    seen = Seen(depth, starttls)
    questions = Questions(asker, seen, shuffle=shuffle)
    answer: Answer = Unclear(Gap())
    refusal: Gap | None = None
    broken: ProbeLogError | None = None
    try:
        answer = await questions.first_contact()
        if server.control is not None:
            await _everything(asker, questions, seen)
    except* Refused as refused:
        found = _first(refused).refusal
        refusal = Gap(found.reason, found.detail)
    except* ProbeLogError as failed:
        broken = _first(failed)
    if broken is not None:
        raise broken
    if refusal is not None:
        return Swept(refusal, refusal, server.connections)
    if server.control is None:
        gap = _nothing(answer)
        return Swept(gap, gap, server.connections)
    return Swept(
        seen.tls(server.oddities),
        seen.chain(),
        server.connections,
        {"answer_ms": f"{server.quickest * 1000:.1f}"},
    )


async def _everything(asker: Asker, questions: Questions, seen: Seen) -> None:
    handshakes = Handshakes(asker, seen, protocols=() if seen.starttls else PROTOCOLS)
    await questions.together([questions.tls_1_3, questions.older_versions])
    await questions.together(
        [
            questions.curves,
            questions.signatures,
            questions.fallback,
            questions.without_name,
            handshakes.newest,
            handshakes.renegotiation,
            handshakes.without_name,
        ]
    )


def _first(group: BaseExceptionGroup[FailureT]) -> FailureT:
    """One of them: several tasks may have met with the same."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _nothing(answer: Answer) -> Gap:
    """Why there is nothing to say of a server that never chose anything."""
    match answer:
        case Unclear(gap=gap):
            return gap
        case Declined(alert=None, words=words):
            return Gap(Reason.REFUSED, words)
        case Declined(words=words):
            detail = f"it speaks TLS, but refused every version and suite that was offered: {words}"
            return Gap(Reason.REFUSED, detail)
    return Gap(Reason.BUG)
