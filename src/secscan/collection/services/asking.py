"""What is said in each protocol, and what the answers come to."""

from collections.abc import Callable, Sequence

import msgspec

from secscan.collection.services import dns, lines, mongodb, smb, vnc, web
from secscan.collection.services.conversation import Conversation, Place, Unanswered, conversing
from secscan.collection.services.recognition import Recognised
from secscan.facts import Access, DnsOffer, Gap, Reading, ServiceFacts, Spoken, ZoneTransfer
from secscan.model import Reason
from secscan.scope import Gate


def ask(place: Place, recognised: Recognised, gate: Gate, *, zones: Sequence[str] = ()) -> ServiceFacts:
    """Says what there is to say in the protocol recognised, and no more. ``zones``: those that DNS is asked for whole.

    What is not answered, or not understood, is a Gap of that field; where the number of the port was all that spoke for
    the protocol, an answer in another one says that it is not spoken there. Raises Refused.
    """
    facts = _asked(place, recognised, gate, zones)
    answers = (facts.access, facts.smb, facts.dns.recursion if isinstance(facts.dns, DnsOffer) else facts.dns)
    strange = any(isinstance(a, Gap) and a.reason is Reason.UNPARSED for a in answers)
    if recognised.how == "port" and strange:
        return ServiceFacts(protocol=Spoken.NONE, how="banner", tls=place.tls)
    return facts


def _asked(place: Place, recognised: Recognised, gate: Gate, zones: Sequence[str]) -> ServiceFacts:
    facts = ServiceFacts(protocol=recognised.protocol, how=recognised.how, tls=place.tls)
    match recognised.protocol:
        case Spoken.REDIS:
            return _with(facts, _line(place, gate, "redis ping", lines.REDIS_PING, _redis))
        case Spoken.MEMCACHED:
            return _with(facts, _line(place, gate, "memcached version", lines.MEMCACHED_VERSION, _memcached))
        case Spoken.ELASTICSEARCH:
            return _with(
                facts,
                _page(place, gate, web.ELASTICSEARCH_PAGE, "elasticsearch root", web.read_elasticsearch),
            )
        case Spoken.DOCKER:
            return _with(facts, _page(place, gate, web.DOCKER_PAGE, "docker version", web.read_docker))
        case Spoken.MONGODB:
            return _with(facts, _mongodb(place, gate))
        case Spoken.VNC:
            return _with(facts, _vnc(place, gate))
        case Spoken.SMB:
            first = _negotiated(place, gate, smb.negotiate_1(), "smb 1 negotiate")
            second = _negotiated(place, gate, smb.negotiate_2(), "smb negotiate")
            gaps = [answer for answer in (first, second) if isinstance(answer, Gap)]
            seen = [None if isinstance(answer, Gap) else answer for answer in (first, second)]
            # Nothing answered: why not says more than that nothing was understood.
            offered = gaps[1] if len(gaps) == 2 else smb.offer(*seen)
            return _changed(facts, smb=offered)
        case Spoken.DNS:
            return _changed(facts, dns=_dns(place, gate, zones))
        case _:
            return facts


def _line(
    place: Place,
    gate: Gate,
    what: str,
    message: bytes,
    read: Callable[[bytes], tuple[Reading[Access], str]],
) -> tuple[Reading[Access], str]:
    try:
        with conversing(place, gate, what=what) as talk:
            talk.say(message)
            return read(talk.hear(lines.is_line))
    except Unanswered as none:
        return _gap(none), ""


def _redis(data: bytes) -> tuple[Reading[Access], str]:
    return lines.read_redis(data), ""


_memcached = lines.read_memcached


def _page(
    place: Place,
    gate: Gate,
    page: str,
    what: str,
    read: Callable[[web.Page], tuple[Reading[Access], str]],
) -> tuple[Reading[Access], str]:
    try:
        with conversing(place, gate, what=what) as talk:
            talk.say(web.request(page, place.name or place.address))
            data = _heard(talk, web.is_whole)
    except Unanswered as none:
        return _gap(none), ""
    answer = web.read_page(data)
    if answer is None:
        return Gap(Reason.UNPARSED, "it does not answer in HTTP"), ""
    return read(answer)


def _heard(talk: Conversation, is_whole: Callable[[bytes], bool]) -> bytes:
    """What came, where the end of the connection may be the end of the answer. Raises Unanswered where nothing did."""
    try:
        return talk.hear(is_whole)
    except Unanswered as none:
        if none.data:
            return none.data
        raise


def _mongodb(place: Place, gate: Gate) -> tuple[Reading[Access], str]:
    try:
        with conversing(place, gate, what="mongodb hello") as talk:
            talk.say(mongodb.hello())
            data = talk.hear(mongodb.is_whole)
    except Unanswered as none:
        return _gap(none), ""
    if mongodb.is_mongodb(data):
        return Access.ANYBODY, ""
    return Gap(Reason.UNPARSED, "its answer is none of MongoDB's"), ""


def _vnc(place: Place, gate: Gate) -> tuple[Reading[Access], str]:
    try:
        with conversing(place, gate, what="vnc security types") as talk:
            version = vnc.reply(talk.hear(vnc.is_banner))
            if not version:
                return Gap(Reason.UNPARSED, "it does not greet as VNC does"), ""
            talk.say(version)
            offered = talk.hear(lambda data: vnc.is_offer(data, version))
    except Unanswered as none:
        return _gap(none), ""
    return vnc.read_offer(offered, version), ""


def _negotiated(place: Place, gate: Gate, message: bytes, what: str) -> smb.Agreed | Gap | None:
    """None: it hung up on the question, or answered in no SMB."""
    try:
        with conversing(place, gate, what=what) as talk:
            if place.port == 139:
                talk.say(smb.session_request())
                talk.hear(smb.is_whole)
            talk.say(message)
            return smb.read_negotiated(talk.hear(smb.is_whole))
    except Unanswered as none:
        return None if none.hung_up else _gap(none)


def _dns(place: Place, gate: Gate, zones: Sequence[str]) -> DnsOffer:
    recursion = _dns_answer(place, gate, dns.recursion_query(), "dns recursion", dns.read_recursion)
    transfers = []
    for zone in zones:
        try:
            query = dns.transfer_query(zone)
        except ValueError as error:
            transfers.append(ZoneTransfer(zone=zone, allowed=Gap(Reason.NOT_ATTEMPTED, str(error))))
            continue
        allowed = _dns_answer(place, gate, query, "dns zone transfer", dns.read_transfer)
        transfers.append(ZoneTransfer(zone=zone, allowed=allowed))
    return DnsOffer(recursion=recursion, transfers=tuple(transfers))


def _dns_answer(
    place: Place, gate: Gate, query: bytes, what: str, read: Callable[[bytes], Reading[bool]]
) -> Reading[bool]:
    try:
        with conversing(place, gate, what=what) as talk:
            talk.say(query)
            return read(talk.hear(dns.is_whole))
    except Unanswered as none:
        return _gap(none)


def _with(facts: ServiceFacts, answer: tuple[Reading[Access], str]) -> ServiceFacts:
    access, version = answer
    return _changed(facts, access=access, product_version=version)


def _changed(facts: ServiceFacts, **fields: object) -> ServiceFacts:
    changed: ServiceFacts = msgspec.structs.replace(facts, **fields)
    return changed


def _gap(none: Unanswered) -> Gap:
    return Gap(none.reason, none.detail)
