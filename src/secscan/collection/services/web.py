"""Elasticsearch and Docker: one page asked for over HTTP, and whether strangers get it."""

import json
import re
from dataclasses import dataclass
from typing import Any

from secscan.facts import Access, Gap, Reading
from secscan.model import Reason

#: Its root tells name and version to whoever may ask anything.
ELASTICSEARCH_PAGE = "/"
#: Docker's Engine API: the page that names its version; whoever gets it may also start containers.
DOCKER_PAGE = "/version"

_LONGEST_VERSION = 40


def request(page: str, host: str) -> bytes:
    """A GET of HTTP/1.0, so that the answer ends with the connection and comes in one piece (RFC 9112)."""
    named = f"[{host}]" if ":" in host else host
    return f"GET {page} HTTP/1.0\r\nHost: {named}\r\nAccept: application/json\r\n\r\n".encode(
        "ascii", "replace"
    )


def is_whole(data: bytes) -> bool:
    """Head and body are there, as far as the head says how long the body is."""
    head, end, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]{1,9})(?=\r\n|$)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


@dataclass(frozen=True, slots=True)
class Page:
    """``content``: the JSON object of the body, empty where there is none."""

    status: int
    content: dict[str, Any]


def read_page(data: bytes) -> Page | None:
    """An answer in HTTP, or as much of it as came; None where it is something else."""
    head, _, body = data.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.[01] ([0-9]{3})\b", head)
    if status is None:
        return None
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    return Page(int(status[1]), content if isinstance(content, dict) else {})


def read_elasticsearch(page: Page) -> tuple[Reading[Access], str]:
    """Whether the root was shown (its slogan tells it from other pages), or a login asked for."""
    about = page.content.get("version")
    number = about.get("number", "") if isinstance(about, dict) else ""
    if page.status == 200 and ("cluster_name" in page.content or "tagline" in page.content):
        return Access.OPEN, _version(number)
    return _refused(page), ""


def read_docker(page: Page) -> tuple[Reading[Access], str]:
    """Whether the version was told, or not."""
    if page.status == 200 and "ApiVersion" in page.content:
        return Access.OPEN, _version(page.content.get("Version", ""))
    return _refused(page), ""


def _refused(page: Page) -> Reading[Access]:
    # 401: log in; 403: not you; both RFC 9110, 15.5.
    if page.status in (401, 403):
        return Access.DENIED
    return Gap(Reason.UNPARSED, f"it answered with another page (status {page.status})")


def _version(text: object) -> str:
    return text[:_LONGEST_VERSION] if isinstance(text, str) and text.isprintable() else ""
