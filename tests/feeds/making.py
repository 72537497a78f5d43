"""Feeds as files, made on the spot: each builder writes one and answers its path."""

import gzip
import hashlib
import json
import lzma
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import lz4.frame

DATED = datetime(2026, 5, 1, tzinfo=UTC)


def osv_record(
    id: str = "ALSA-2026:1",
    *,
    ecosystem: str = "AlmaLinux:9",
    package: str = "openssl",
    fixed: str | None = "1:3.0.7-25.el9",
    cves: Sequence[str] = ("CVE-2026-0001",),
    summary: str = "Important: openssl security update",
    modified: str = "2026-05-01T00:00:00Z",
    **more: Any,
) -> dict[str, Any]:
    events: list[dict[str, str]] = [{"introduced": "0"}] + ([{"fixed": fixed}] if fixed else [])
    return {
        "schema_version": "1.7.0",
        "id": id,
        "modified": modified,
        "published": "2026-04-30T00:00:00Z",
        "summary": summary,
        "related": list(cves),
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
        **more,
    }


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def kev(path: Path, *cves: str, released: str = "2026-05-01T00:00:00.0000Z") -> Path:
    entries = [
        {
            "cveID": c,
            "dateAdded": "2026-04-01",
            "dueDate": "2026-04-22",
            "knownRansomwareCampaignUse": "Known",
        }
        for c in cves
    ]
    return write_json(
        path,
        {"catalogVersion": "1", "dateReleased": released, "count": len(entries), "vulnerabilities": entries},
    )


def stanza(name: str, version: str, *, architecture: str = "amd64", source: str = "") -> str:
    head = f"Package: {name}\n" + (f"Source: {source}\n" if source else "")
    return (
        f"{head}Version: {version}\nArchitecture: {architecture}\nDescription: of no matter\n Version: 9\n\n"
    )


def suite(
    folder: Path,
    *stanzas: str,
    codename: str = "bookworm-security",
    version: str = "12",
    label: str = "Debian-Security",
    origin: str = "Debian",
    dated: datetime = DATED,
    component: str = "main",
    packing: str = "",
) -> Path:
    """A suite as apt keeps it: the index, and its InRelease beside it. Answers the index."""
    folder.mkdir(parents=True, exist_ok=True)
    content = "".join(stanzas).encode()
    digest = hashlib.sha256(content).hexdigest()
    (folder / f"mirror_dists_{codename}_InRelease").write_text(
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: {origin}\nLabel: {label}\nSuite: {codename}\n"
        f"Version: {version}\nCodename: {codename}\nDate: {format_datetime(dated, usegmt=True)}\n"
        f"SHA256:\n {digest} {len(content)} {component}/binary-amd64/Packages\n"
    )
    packed = {"": bytes, "gz": gzip.compress, "xz": lzma.compress, "lz4": lz4.frame.compress}[packing](
        content
    )
    index = folder / f"mirror_dists_{codename}_{component}_binary-amd64_Packages"
    index.write_bytes(packed)
    return index


UPDATE = """
<update from="x@example.vn" status="final" type="{type}" version="1">
 <id>{id}</id><title>{title}</title><issued date="2026-04-30 00:00:00"/><updated date="{updated}"/>
 <severity>Important</severity><release>{release}</release>
 <references><reference href="" id="CVE-2026-0001" type="cve" title="CVE-2026-0001"/></references>
 <pkglist><collection short="x"><name>x</name>{module}
  <package name="{package}" version="{version}" release="{build}" epoch="{epoch}" arch="x86_64"><filename>f</filename></package>
  <package name="{package}" version="{version}" release="{build}" epoch="{epoch}" arch="src"><filename>f</filename></package>
 </collection></pkglist>
</update>"""


def update(**changes: str) -> str:
    sound = {
        "type": "security",
        "id": "RLSA-2026:1",
        "title": "Important: openssl security update",
        "updated": "2026-05-01 00:00:00",
        "release": "",
        "module": "",
        "package": "openssl-libs",
        "version": "3.0.7",
        "build": "25.el9_3",
        "epoch": "1",
    }
    return UPDATE.format(**{**sound, **changes})


def updateinfo(path: Path, *updates: str) -> Path:
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<updates>{"".join(updates)}</updates>')
    return path
