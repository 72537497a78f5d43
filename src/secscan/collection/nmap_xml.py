"""Reads nmap's XML while nmap writes it, as something a hostile host may have had a hand in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax import ContentHandler, SAXException, SAXNotSupportedException
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException, DTDForbidden
from defusedxml.expatreader import DefusedExpatParser

from secscan.facts.ports import PortState, PortStatus, ServiceIdentity, ports_in

#: Characters kept of any text that may come from a host.
LONGEST_TEXT = 200

#: Elements within elements. nmap 7.93 nests 7 deep (nmaprun/host/hostscript/script/table/table/elem).
DEEPEST = 16

#: Bytes without a tag beginning or ending. The longest nmap has reason to write is a list of ports: 32768 ports
#: that are no two in a row take 190 kB.
LONGEST_TAG = 1 << 20

#: Bytes of a document for each host it is about, and besides. A host with every port open takes 14 MB.
LONGEST_PER_HOST = 32 << 20
LONGEST_BESIDES = 1 << 20

#: CPE names of one service; nmap gives up to three (application, operating system, hardware).
MOST_CPES = 8

_PORT_LIST = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*")
_NUMBER = re.compile(r"[0-9]{1,9}")

_STATUS = {
    "open": PortStatus.OPEN,
    "closed": PortStatus.CLOSED,
    "filtered": PortStatus.FILTERED,
    "open|filtered": PortStatus.UNCERTAIN,
    # Only idle scans say this, which we don't make. What may be filtered isn't known to be closed.
    "closed|filtered": PortStatus.FILTERED,
}

#: How nmap knows a service -> how facts say it.
_HOW = {"probed": "probe", "table": "port"}


@dataclass(frozen=True, slots=True)
class Unlisted:
    """Ports that nmap gives as a number (``extraports``). ``ports`` is None where it doesn't say which."""

    transport: str
    status: PortStatus
    why: str
    count: int
    ports: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class NmapHost:
    """A host that nmap has finished with, whatever came of it."""

    address: str
    up: bool
    timed_out: bool
    listed: tuple[PortState, ...]
    unlisted: tuple[Unlisted, ...]


class IncompleteHostError(ValueError):
    """What nmap says of a host doesn't cover the ports it was asked for, once each."""


class _MalformedError(SAXException):
    """XML, but not of nmap's."""


class NmapDocument:
    """One document of nmap's, fed in pieces.

    ``feed`` gives each host when its element has ended, and never before: what a document that breaks off says
    of its last host is lost on purpose, because ports that are not there yet would read as closed. From its
    first ``fault`` on, the rest of a document is not looked at; the hosts before it stand.
    """

    def __init__(self, hosts: int) -> None:
        """``hosts``: how many the document is about; it sets the bytes that are read of it."""
        self._left = LONGEST_BESIDES + hosts * LONGEST_PER_HOST
        self._since_tag = 0
        self._handler = _Handler()
        self._parser = _Parser(forbid_dtd=True, forbid_entities=True, forbid_external=True)
        self._parser.setContentHandler(self._handler)
        #: Why the document can't be read (on), in plain words; empty while it can.
        self.fault = ""
        #: The document ended before its last element did, and was well until there.
        self.truncated = False

    @property
    def version(self) -> str:
        """nmap's version, as it states it."""
        return self._handler.version

    @property
    def asked(self) -> Mapping[str, frozenset[int]]:
        """Transport -> the ports nmap says it asks for."""
        return self._handler.asked

    @property
    def skipped(self) -> Mapping[str, str]:
        """Address -> why nmap didn't scan it."""
        return self._handler.skipped

    @property
    def error(self) -> str:
        """What nmap says stopped it; empty where nothing did."""
        return self._handler.error

    @property
    def finished(self) -> bool:
        """nmap came to its regular end."""
        return self._handler.finished

    def feed(self, data: bytes) -> tuple[NmapHost, ...]:
        """The hosts that ended within ``data``."""
        # In steps, so that a tag that doesn't end is noticed before it is held in memory whole.
        for start in range(0, len(data), 65536):
            if self.fault:
                break
            self._feed(data[start : start + 65536])
        found, self._handler.hosts = tuple(self._handler.hosts), []
        return found

    def close(self) -> None:
        """Nothing comes any more. Sets ``fault``, and ``truncated``, where more should have."""
        if self.fault:
            return
        try:
            self._parser.close()
        except SAXException as error:
            self.fault, self.truncated = f"it breaks off ({_message(error)})", True
        if not self.fault and not self._handler.finished:
            self.fault, self.truncated = "it breaks off before its end", True

    def _feed(self, data: bytes) -> None:
        self._left -= len(data)
        tags = self._handler.tags
        try:
            self._parser.feed(data)
        except (SAXException, DefusedXmlException) as error:
            self.fault = _message(error)
        # pyexpat's ValueErrors: an encoding of several bytes a character that it has no table for; and
        # LookupError: one that Python doesn't know.
        except (ValueError, LookupError) as error:
            self.fault = f"it is not readable as text ({bounded(str(error))})"
        self._since_tag = len(data) if self._handler.tags != tags else self._since_tag + len(data)
        if not self.fault and self._since_tag > LONGEST_TAG:
            self.fault = f"it has a tag or text of more than {LONGEST_TAG} bytes"
        if not self.fault and self._left < 0:
            self.fault = "it is longer than any answer about so many hosts can be"


def statuses(
    host: NmapHost, transport: str, asked: frozenset[int]
) -> tuple[tuple[PortState, ...], tuple[tuple[frozenset[int], PortStatus, str], ...]]:
    """The listed ports of ``transport``, and the rest of those ``asked`` in sets of one status and reason each.

    Together they are exactly the ports asked. Where nmap gives several groups of unlisted ports without saying
    which port is in which (before 7.92), they are filtered: the weakest thing to say of a port that is closed or
    filtered. Raises IncompleteHostError where a port is missing, there twice, or was never asked.
    """
    listed = tuple(state for state in host.listed if state.transport == transport)
    seen = {state.port for state in listed}
    if len(seen) != len(listed):
        raise IncompleteHostError("nmap's answer lists a port twice")
    groups: list[tuple[frozenset[int], PortStatus, str]] = []
    vague: list[Unlisted] = []
    for group in host.unlisted:
        if group.transport not in (transport, ""):
            continue
        if group.ports is None:
            vague.append(group)
            continue
        if seen & group.ports or len(group.ports) != group.count:
            raise IncompleteHostError("nmap's answer contradicts itself about the ports it doesn't list")
        seen |= group.ports
        groups.append((group.ports, group.status, group.why))
    if seen - asked:
        raise IncompleteHostError(f"nmap's answer is about {len(seen - asked)} ports that were not asked")
    left = asked - seen
    if len(left) != sum(group.count for group in vague):
        raise IncompleteHostError(
            f"nmap's answer covers {len(asked) - len(left)} of {len(asked)} {transport.upper()} ports"
        )
    if left:
        kinds = {group.status for group in vague}
        reasons = {group.why for group in vague}
        status = kinds.pop() if len(kinds) == 1 else PortStatus.FILTERED
        groups.append((left, status, reasons.pop() if len(reasons) == 1 else ""))
    return listed, tuple(groups)


def bounded(text: str) -> str:
    """Text that may be a host's, cut to what facts keep of it."""
    return text[:LONGEST_TEXT]


# --- Elements into values ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Host:
    """A host whose element hasn't ended yet."""

    timed_out: bool
    up: bool = False
    address: str = ""
    listed: list[PortState] = field(default_factory=list)
    unlisted: list[Unlisted] = field(default_factory=list)


@dataclass(slots=True)
class _Port:
    transport: str
    port: int
    status: PortStatus | None = None
    why: str = ""
    service: dict[str, str] | None = None
    cpes: list[str] = field(default_factory=list)


class _Parser(DefusedExpatParser):  # type: ignore[misc]  # defusedxml has no types
    """nmap writes ``<!DOCTYPE nmaprun>``, so that must pass, and nothing more than that."""

    def defused_start_doctype_decl(
        self, name: str, sysid: str | None, pubid: str | None, has_internal_subset: int
    ) -> None:
        # Attribute defaults in a subset multiply text just as entities do.
        if sysid or pubid or has_internal_subset:
            raise DTDForbidden(name, sysid, pubid)


class _Handler(ContentHandler):
    def __init__(self) -> None:
        super().__init__()
        self.version = ""
        self.asked: dict[str, frozenset[int]] = {}
        self.skipped: dict[str, str] = {}
        self.error = ""
        self.finished = False
        self.hosts: list[NmapHost] = []
        #: How many tags have begun or ended.
        self.tags = 0
        self._path: list[str] = []
        self._host: _Host | None = None
        self._extra = ("", 0)
        self._extra_reasons = 0
        self._port: _Port | None = None
        self._cpe: str | None = None

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - SAX
        self.tags += 1
        if len(self._path) >= DEEPEST:
            raise _MalformedError(f"elements are nested more than {DEEPEST} deep")
        if not self._path and name != "nmaprun":
            raise _MalformedError(f"it begins with <{name[:40]}>, not <nmaprun>")
        self._path.append(name)
        # An element counts only where nmap puts it: scripts may quote anything, under names of their own.
        begin = _BEGIN.get("/".join(self._path[1:]))
        if begin is not None:
            begin(self, {key: attrs.getValue(key) for key in attrs.getNames()})

    def endElement(self, name: str) -> None:  # noqa: ARG002, N802 - SAX
        self.tags += 1
        end = _END.get("/".join(self._path[1:]))
        if end is not None:
            end(self)
        self._path.pop()

    def characters(self, content: str) -> None:
        if self._cpe is not None and len(self._cpe) < LONGEST_TEXT:
            self._cpe += content[:LONGEST_TEXT]

    # --- What begins --------------------------------------------------------------------------------------

    def begin_run(self, given: Mapping[str, str]) -> None:
        self.version = bounded(given.get("version", ""))

    def begin_scan(self, given: Mapping[str, str]) -> None:
        self.asked[bounded(_needed(given, "protocol"))] = _ports(_needed(given, "services"))

    def begin_skipped(self, given: Mapping[str, str]) -> None:
        if given.get("status") == "skipped":
            address = bounded(_needed(given, "specification"))
            self.skipped[address] = bounded(given.get("reason", ""))

    def begin_finished(self, given: Mapping[str, str]) -> None:
        self.finished = True
        if given.get("exit", "success") != "success":
            self.error = bounded(given.get("errormsg", "")) or "nmap says no more than that it failed"

    def begin_host(self, given: Mapping[str, str]) -> None:
        self._host = _Host(timed_out=given.get("timedout") == "true")

    def begin_status(self, given: Mapping[str, str]) -> None:
        self._current_host.up = _needed(given, "state") == "up"

    def begin_address(self, given: Mapping[str, str]) -> None:
        if given.get("addrtype") in ("ipv4", "ipv6"):  # the other is "mac"
            self._current_host.address = bounded(_needed(given, "addr"))

    def begin_extra(self, given: Mapping[str, str]) -> None:
        self._extra = (_needed(given, "state"), _number(given, "count"))
        self._extra_reasons = 0

    def begin_extra_reason(self, given: Mapping[str, str]) -> None:
        count = _number(given, "count")
        self._extra_reasons += count
        ports = _ports(given["ports"]) if "ports" in given else None
        self._current_host.unlisted.append(
            Unlisted(bounded(given.get("proto", "")), _status(self._extra[0]), bounded(given.get("reason", "")), count, ports)
        )  # fmt: skip

    def begin_port(self, given: Mapping[str, str]) -> None:
        number = _number(given, "portid")
        if number > 65535:
            raise _MalformedError(f"{number} is not a port")
        self._port = _Port(bounded(_needed(given, "protocol")), number)

    def begin_state(self, given: Mapping[str, str]) -> None:
        self._current_port.status = _status(_needed(given, "state"))
        self._current_port.why = bounded(given.get("reason", ""))

    def begin_service(self, given: Mapping[str, str]) -> None:
        self._current_port.service = dict(given)

    def begin_cpe(self, given: Mapping[str, str]) -> None:  # noqa: ARG002 - one signature for all
        self._cpe = ""

    # --- What ends ----------------------------------------------------------------------------------------

    def end_cpe(self) -> None:
        if self._cpe and len(self._current_port.cpes) < MOST_CPES:
            self._current_port.cpes.append(bounded(self._cpe))
        self._cpe = None

    def end_port(self) -> None:
        port = self._current_port
        if port.status is None:
            raise _MalformedError(f"port {port.port} has no state")
        identity = _identity(port) if port.status is PortStatus.OPEN and port.service is not None else None
        self._current_host.listed.append(
            PortState(
                transport=port.transport, port=port.port, status=port.status, why=port.why, identity=identity
            )
        )
        self._port = None

    def end_extra(self) -> None:
        state, count = self._extra
        if not self._extra_reasons:
            self._current_host.unlisted.append(Unlisted("", _status(state), "", count, None))
        elif self._extra_reasons != count:
            raise _MalformedError("the reasons for unlisted ports don't add up to their number")

    def end_host(self) -> None:
        host = self._current_host
        if not host.address:
            raise _MalformedError("a host has no address")
        self.hosts.append(
            NmapHost(host.address, host.up, host.timed_out, tuple(host.listed), tuple(host.unlisted))
        )
        self._host = None

    @property
    def _current_host(self) -> _Host:
        assert self._host is not None  # noqa: S101 - what calls this is bound to a path below nmaprun/host
        return self._host

    @property
    def _current_port(self) -> _Port:
        assert self._port is not None  # noqa: S101 - what calls this is bound to a path below host/ports/port
        return self._port


_BEGIN = {
    "": _Handler.begin_run,
    "scaninfo": _Handler.begin_scan,
    "target": _Handler.begin_skipped,
    "runstats/finished": _Handler.begin_finished,
    "host": _Handler.begin_host,
    "host/status": _Handler.begin_status,
    "host/address": _Handler.begin_address,
    "host/ports/extraports": _Handler.begin_extra,
    "host/ports/extraports/extrareasons": _Handler.begin_extra_reason,
    "host/ports/port": _Handler.begin_port,
    "host/ports/port/state": _Handler.begin_state,
    "host/ports/port/service": _Handler.begin_service,
    "host/ports/port/service/cpe": _Handler.begin_cpe,
}

_END = {
    "host": _Handler.end_host,
    "host/ports/extraports": _Handler.end_extra,
    "host/ports/port": _Handler.end_port,
    "host/ports/port/service/cpe": _Handler.end_cpe,
}


def _identity(port: _Port) -> ServiceIdentity:
    """Leaves out ``servicefp`` (bytes of the host's that nobody recognised), ``hostname`` and ``ostype``."""
    given = port.service or {}
    name, how = given.get("name", ""), _HOW.get(given.get("method", ""), "port")
    tls = given.get("tunnel") == "ssl" or name.partition("/")[0] == "ssl"
    if tls and how == "port":
        # It spoke TLS and nothing else that nmap knows; the name is only that of the port's number.
        name, how = "tls", "tls"
    return ServiceIdentity(
        name=bounded(name),
        how=how,
        confidence=min(10, _number(given, "conf")) if "conf" in given else 0,
        product=bounded(given.get("product", "")),
        version=bounded(given.get("version", "")),
        extra=bounded(given.get("extrainfo", "")),
        tls=tls,
        cpes=tuple(sorted(set(port.cpes))),
    )


def _needed(given: Mapping[str, str], key: str) -> str:
    try:
        return given[key]
    except KeyError:
        raise _MalformedError(f"an element lacks its {key!r}") from None


def _number(given: Mapping[str, str], key: str) -> int:
    text = _needed(given, key)
    if not _NUMBER.fullmatch(text):
        raise _MalformedError(f"{key!r} is {_quoted(text)}, not a number")
    return int(text)


def _ports(text: str) -> frozenset[int]:
    # ports_in() leans on int(), which would let digits of any script and underscores pass.
    if text and not _PORT_LIST.fullmatch(text):
        raise _MalformedError(f"{_quoted(text)} is not a list of ports")
    try:
        return ports_in(text)
    except ValueError as error:
        raise _MalformedError(bounded(str(error))) from None


def _status(state: str) -> PortStatus:
    try:
        return _STATUS[state]
    except KeyError:
        raise _MalformedError(f"{_quoted(state)} is not the state of a port") from None


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _message(error: Exception) -> str:
    match error:
        case SAXNotSupportedException() | _MalformedError():
            return bounded(error.getMessage())
        case SAXException():
            return f"it is not well-formed XML: {bounded(error.getMessage())}"
        case _:
            return f"it declares a document type or entities ({type(error).__name__})"
