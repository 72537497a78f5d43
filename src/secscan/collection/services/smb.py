"""SMB: which dialects a server agrees to, and whether it insists on signatures. Nobody logs in.

Layouts: [MS-CIFS] 2.2.3.1, 2.2.4.52; [MS-SMB] 2.2.4.5.2; [MS-SMB2] 2.2.1.2, 2.2.3, 2.2.4; the frame: RFC 1002, 4.3.
"""

import struct
from dataclasses import dataclass

from secscan.facts import Gap, Reading, SmbOffer
from secscan.model import Reason

#: [MS-SMB2] 2.2.3, Dialects, and how Windows calls them.
_DIALECTS = {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1"}

_NO_DIALECT = 0xFFFF


def session_request() -> bytes:
    """Port 139 wants to know first who calls whom (RFC 1002, 4.3.2); ``*SMBSERVER`` is what any server answers to."""
    return b"\x81\x00\x00\x44" + _netbios_name("*SMBSERVER", 0x20) + _netbios_name("SECSCAN", 0)


def negotiate_1() -> bytes:
    """SMB_COM_NEGOTIATE with the one dialect ``NT LM 0.12``, which is SMB version 1."""
    # Flags: paths are canonical and caseless; flags 2: long names, extended security, status in 32 bits.
    header = b"\xffSMB\x72" + struct.pack("<IBHH8sHHHHH", 0, 0x18, 0x4801, 0, b"", 0, 0, 0, 0, 0)
    dialects = b"\x02NT LM 0.12\0"
    return _framed(header + b"\0" + struct.pack("<H", len(dialects)) + dialects)


def negotiate_2() -> bytes:
    """SMB2 NEGOTIATE with every dialect from 2.0.2 to 3.1.1; we could sign, and don't insist."""
    header = b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ16s", 64, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, b"")
    dialects = struct.pack(f"<{len(_DIALECTS)}H", *_DIALECTS)
    fixed = 36 + len(dialects)
    padding = b"\0" * (-(64 + fixed) % 8)
    # 2.2.3.1.1: what 3.1.1 can't do without, integrity of this very exchange: SHA-512 and a salt, here of zeros.
    integrity = struct.pack("<HHH", 1, 32, 1) + bytes(32)
    context = struct.pack("<HHI", 1, len(integrity), 0) + integrity
    start = 64 + fixed + len(padding)
    body = struct.pack("<HHHHI16sIHH", 36, len(_DIALECTS), 1, 0, 0, bytes(16), start, 1, 0)
    return _framed(header + body + dialects + padding + context)


def is_whole(data: bytes) -> bool:
    """A whole frame: a byte for its kind and its length in three."""
    return len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[1:4], "big")


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a server agrees to; ``dialect`` is None where it agrees to none that was offered."""

    dialect: str | None
    signing_required: bool | None = None


def read_negotiated(frame: bytes) -> Agreed | None:
    """An answer to either question; None where it is none of SMB's."""
    message = frame[4:]
    if message[:5] == b"\xffSMB\x72" and len(message) >= 35:
        [words] = struct.unpack_from("<B", message, 32)
        [dialect] = struct.unpack_from("<H", message, 33)
        if dialect == _NO_DIALECT or words == 0:
            return Agreed(None)
        # The mode follows the dialect; bit 3 says that signatures are required.
        required = bool(message[35] & 0x08) if words >= 13 and len(message) > 35 else None
        return Agreed("1", required)
    if message[:4] == b"\xfeSMB" and len(message) >= 64:
        [status] = struct.unpack_from("<I", message, 8)
        if status or len(message) < 64 + 6:
            return Agreed(None)
        _size, mode, dialect = struct.unpack_from("<HHH", message, 64)
        name = _DIALECTS.get(dialect)
        return Agreed(name, bool(mode & 0x02)) if name else None
    return None


def offer(first: Agreed | None, second: Agreed | None) -> SmbOffer | Gap:
    """What both answers show together: ``first`` to SMB 1, ``second`` to SMB 2 and 3. None: it hung up, or said nothing.

    A server that has put SMB 1 away may hang up on who asks for it: that is an answer where it speaks the other.
    """
    spoken = second is not None and second.dialect is not None
    if first is None and not spoken:
        return Gap(Reason.UNPARSED, "it agrees to no dialect of SMB, and refuses none in so many words")
    version_1: Reading[bool] = first is not None and first.dialect is not None
    chosen = second if spoken else first
    required = chosen.signing_required if chosen else None
    unsaid = Gap(Reason.UNPARSED, "it does not say whether it requires signatures")
    return SmbOffer(
        version_1=version_1,
        signing_required=unsaid if required is None else required,
        dialect=(chosen.dialect if chosen else None) or "",
    )


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(3, "big") + message


def _netbios_name(name: str, suffix: int) -> bytes:
    """RFC 1001, 14.1: sixteen bytes, each as two letters from A to P, in the form of a domain name."""
    padded = name.encode("ascii").ljust(15) + bytes([suffix])
    return b"\x20" + b"".join(bytes([65 + (c >> 4), 65 + (c & 15)]) for c in padded) + b"\0"
