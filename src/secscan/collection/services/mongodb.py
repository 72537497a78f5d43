"""MongoDB: the greeting that every client begins with, before it logs in."""

import struct

#: OP_QUERY, which servers of all versions take for a greeting, and the answers OP_REPLY and OP_MSG
#: (https://www.mongodb.com/docs/manual/legacy-opcodes/ and .../reference/mongodb-wire-protocol/).
_OP_QUERY = 2004
_ANSWERS = (1, 2013)

_LONGEST = 16 * 1024


def hello() -> bytes:
    """``{isMaster: 1, helloOk: true}`` to the database admin: hello, by the name that old servers know too."""
    fields = b"\x10isMaster\0" + struct.pack("<i", 1) + b"\x08helloOk\0\x01"
    document = struct.pack("<i", len(fields) + 5) + fields + b"\0"
    body = struct.pack("<i", 0) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1) + document
    return struct.pack("<iiii", len(body) + 16, 1, 0, _OP_QUERY) + body


def is_whole(data: bytes) -> bool:
    """All is there that the header promises; a header that promises nonsense ends it too."""
    if len(data) < 4:
        return False
    [length] = struct.unpack_from("<i", data)
    return not 16 < length <= _LONGEST or len(data) >= length


def is_mongodb(data: bytes) -> bool:
    """Whether this is an answer to ``hello``: one of the two messages, with a field that all versions send."""
    if len(data) < 16:
        return False
    length, _id, to, code = struct.unpack_from("<iiii", data)
    if code not in _ANSWERS or to != 1 or length > len(data):
        return False
    return b"ismaster\0" in data or b"isWritablePrimary\0" in data
