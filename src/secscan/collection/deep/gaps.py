"""Why a question to a server stayed open, in terms of facts. For the audit's own process."""

from nassl.ssl_client import ClientCertificateRequested
from sslyze.connection_helpers.tls_connection import NoCiphersAvailableBugInSSlyze
from sslyze.errors import ConnectionToServerFailed

from secscan.collection.deep.handshake import Attempt, Outcome, explain
from secscan.facts import Gap
from secscan.model import Reason

NEEDS_CERTIFICATE = Gap(Reason.NEEDS_CREDENTIALS, "the handshake ends early without a client certificate")


class UnknownSuitesError(Exception):
    """The OpenSSL that is needed for a probe knows none of the suites that the server accepts."""


def gap_of(error: BaseException) -> Gap:
    # Whatever sslyze, nassl and its parsers raise on hostile bytes; what they cost is this one answer.
    if isinstance(error, ConnectionToServerFailed | NoCiphersAvailableBugInSSlyze):
        return gap_after(explain(error))
    said = str(error).strip()
    if isinstance(error, ClientCertificateRequested) or "alert certificate required" in said:
        return NEEDS_CERTIFICATE
    if isinstance(error, UnknownSuitesError):
        detail = "the OpenSSL that can look at it knows none of the accepted suites"
        return Gap(Reason.NOT_COLLECTED, detail)
    if isinstance(error, TimeoutError):
        return Gap(Reason.TIMED_OUT, "it did not answer in time")
    return Gap(Reason.UNREADABLE, f"{type(error).__name__}: {said}"[:200])


def gap_after(attempt: Attempt) -> Gap:
    """Why a handshake with suites the server had accepted before told nothing this time."""
    if attempt.asked or (attempt.outcome is Outcome.CHOSEN and "alert" in attempt.words):
        return NEEDS_CERTIFICATE
    reasons = {
        Outcome.SILENT: Reason.TIMED_OUT,
        Outcome.REFUSED: Reason.REFUSED,
        Outcome.OTHER_VERSION: Reason.CONTRADICTORY,
        Outcome.CLOSED: Reason.REFUSED,
        Outcome.UNABLE: Reason.NOT_COLLECTED,
    }
    return Gap(reasons.get(attempt.outcome, Reason.UNREADABLE), attempt.words)
