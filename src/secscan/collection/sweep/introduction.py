"""The fullest hello, and what a server shows beside its choice."""

import asyncio
from dataclasses import replace

from secscan.collection.sweep.asking import Answer, Chosen, Declined
from secscan.collection.sweep.choosing import Choosing, of_form
from secscan.collection.sweep.conversation import Line, Need, provoke
from secscan.collection.sweep.hellos import (
    VERSION_NAMES,
    hello_1_2,
)
from secscan.collection.sweep.wire.code_points import (
    Alert,
    Extension,
)
from secscan.collection.sweep.wire.hello import ClientHello
from secscan.collection.sweep.wire.record import Flight, change_cipher, empty_heartbeat, sound_heartbeat
from secscan.facts import Gap, TlsVersion
from secscan.model import Reason

#: What a web server is asked to choose among (RFC 7301).
PROTOCOLS = (b"h2", b"http/1.1")

#: Seconds that each heartbeat is given by itself.
_PAUSE = 0.1


class Introducing(Choosing):
    """What is asked once, of the newest version before TLS 1.3."""

    async def _introduce(self, version: TlsVersion, suites: tuple[int, ...]) -> Answer:
        """The fullest hello, to the end of the server's flight, and an early ChangeCipherSpec after it."""
        alpn = () if self.seen.starttls or self._plain else PROTOCOLS
        hello = (
            self._hello(version, suites) if self._plain else hello_1_2(version, suites, alpn=alpn, first=True)
        )
        answer = await self._ask_and_provoke(hello)
        if isinstance(answer, Declined) and answer.alert == Alert.NO_APPLICATION_PROTOCOL:
            self.seen.alpn_gap = None
            answer = await self._ask_and_provoke(replace(hello, alpn=()))
        if not isinstance(answer, Chosen):
            if of_form(answer) and not self._plain:
                return await self.asker.ask(hello_1_2(version, suites), need=Need.FLIGHT)
            return answer
        if VERSION_NAMES[answer.hello.version] is version:
            self._note_extensions(answer, hello)
        return answer

    def _note_extensions(self, answer: Chosen, hello: ClientHello) -> None:
        seen, extensions = self.seen, answer.hello.extensions
        seen.secure_renegotiation = Extension.RENEGOTIATION_INFO in extensions
        seen.compression = answer.hello.compression != 0
        if hello.bare:
            # It was asked nothing of these, because it can't bear extensions or the version has none.
            seen.extended_master_secret = seen.tickets = seen.heartbeat = False
            seen.heartbleed = False
            seen.alpn_gap = None
        else:
            seen.extended_master_secret = Extension.EXTENDED_MASTER_SECRET in extensions
            seen.tickets = Extension.SESSION_TICKET in extensions
            if hello.heartbeat:
                seen.heartbeat = Extension.HEARTBEAT in extensions
                if seen.heartbeat is False:
                    seen.heartbleed = False
        if hello.alpn:
            seen.alpn_gap = None
            chosen = extensions.get(Extension.ALPN, b"")
            if len(chosen) > 3:
                seen.alpn.add(chosen[3:].decode("ascii", "replace")[:100])
        if answer.complete and seen.client_certificate not in ("asked", "required"):
            seen.client_certificate = "not-asked"
        seen.downgrade_mark = answer.hello.marked

    async def _ask_and_provoke(self, hello: ClientHello) -> Answer:
        """As ``ask``, and over the same connection what only a flawed server takes without complaint."""
        asker = self.asker
        async with asker.line() as line:
            if isinstance(line, Line):
                heard = await asker.say_over(line, hello, need=Need.FLIGHT)
                flight = heard.flight
                if flight.hello is not None and flight.done and flight.hello.version <= hello.version:
                    await self._provoke(line, flight)
                    return asker.checked(hello, heard)
        return await asker.ask(hello, need=Need.FLIGHT)

    async def _provoke(self, line: Line, flight: Flight) -> None:
        """CVE-2014-0224 and CVE-2014-0160 by one ChangeCipherSpec, and a heartbeat before it.

        Who takes the ChangeCipherSpec goes on with an empty key, and finds the second one undecipherable; everybody
        else finds it unexpected, or closes (the reading is that of nmap's ssl-ccs-injection).
        """
        seen = self.seen
        assert flight.hello is not None  # noqa: S101 - the caller looked
        version = flight.hello.version
        loop = asyncio.get_running_loop()
        wait = min(self.asker.server.settings.patience, 0.5 + 4 * self.asker.server.quickest)
        if Extension.HEARTBEAT in flight.hello.extensions:
            # Before the handshake has ended OpenSSL holds back what it answers until it has 4 kB, or an alert, and some
            # servers read but one record a packet. So heartbeats that may well be answered follow, one by one.
            follow = sound_heartbeat(version)
            for message in (empty_heartbeat(version), follow, follow, follow):
                await provoke(line, flight, message, until=loop.time() + min(wait, _PAUSE))
        await provoke(line, flight, change_cipher(version), until=loop.time() + wait)
        taken = line.late and flight.alert is None
        if taken:
            await provoke(line, flight, change_cipher(version), until=loop.time() + wait)
        if Extension.HEARTBEAT in flight.hello.extensions:
            seen.heartbleed = flight.bled
        if not taken:
            seen.ccs_injection = False
        elif flight.alert is None and flight.bled:
            # Whoever bleeds is an OpenSSL from before the mending of both, and took the first one.
            seen.ccs_injection = True
        elif flight.alert is None:
            words = "it took an early change of cipher in silence, and then " + (
                "a second one too" if line.late else "hung up on a second one without an alert"
            )
            seen.ccs_injection = Gap(Reason.TIMED_OUT if line.late else Reason.UNREADABLE, words)
        else:
            seen.ccs_injection = flight.alert in (Alert.BAD_RECORD_MAC, Alert.DECRYPTION_FAILED)
