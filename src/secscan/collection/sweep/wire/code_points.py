"""Numbers on the wire and what IANA calls them.

``cipher-suites.txt`` and ``dh-primes.txt`` are written by ``tools/tls_code_points.py`` from the tables of nmap and
tlslite-ng. Groups, schemes, extensions and alerts were copied from nmap's ``tls.lua`` and tlslite-ng's ``constants.py``.
"""

import enum
import functools
import hashlib
import importlib.resources

#: Versions on the wire: RFC 6101, section 5.2.1; RFC 8446, section 4.2.1.
SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304

#: RFC 5746, section 3.3, and RFC 7507, section 2: suites that are none.
RENEGOTIATION_SCSV = 0x00FF
FALLBACK_SCSV = 0x5600

#: The suites of TLS 1.3: RFC 8446, section B.4; RFC 8998; RFC 9150; RFC 9367.
TLS1_3_SUITES = (
    *(0x1301, 0x1302, 0x1303, 0x1304, 0x1305, 0x00C6, 0x00C7),
    *(0xC103, 0xC104, 0xC105, 0xC106, 0xC0B4, 0xC0B5),
)


class Extension(enum.IntEnum):
    """The extensions that are sent or looked for."""

    SERVER_NAME = 0
    STATUS_REQUEST = 5
    SUPPORTED_GROUPS = 10
    EC_POINT_FORMATS = 11
    SIGNATURE_ALGORITHMS = 13
    HEARTBEAT = 15
    ALPN = 16
    ENCRYPT_THEN_MAC = 22
    EXTENDED_MASTER_SECRET = 23
    SESSION_TICKET = 35
    PSK_KEY_EXCHANGE_MODES = 45
    SUPPORTED_VERSIONS = 43
    KEY_SHARE = 51
    RENEGOTIATION_INFO = 0xFF01


class Alert(enum.IntEnum):
    """The alerts that mean something to a sweep."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    DECRYPTION_FAILED = 21
    HANDSHAKE_FAILURE = 40
    ILLEGAL_PARAMETER = 47
    DECODE_ERROR = 50
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    INAPPROPRIATE_FALLBACK = 86
    UNRECOGNIZED_NAME = 112
    NO_APPLICATION_PROTOCOL = 120


#: Hybrids of ML-KEM and an elliptic curve.
POST_QUANTUM = {0x11EC: "X25519MLKEM768", 0x11EB: "SecP256r1MLKEM768", 0x11ED: "SecP384r1MLKEM1024"}

#: Elliptic curves, the most usual first.
CURVES = {
    **{29: "x25519", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 30: "x448"},
    **{26: "brainpoolP256r1", 27: "brainpoolP384r1", 28: "brainpoolP512r1", 22: "secp256k1"},
    **{21: "secp224r1", 20: "secp224k1", 19: "secp192r1", 18: "secp192k1"},
    **{17: "secp160r2", 16: "secp160r1", 15: "secp160k1"},
    **{14: "sect571r1", 13: "sect571k1", 12: "sect409r1", 11: "sect409k1", 10: "sect283r1", 9: "sect283k1"},
    **{8: "sect239k1", 7: "sect233r1", 6: "sect233k1", 5: "sect193r2", 4: "sect193r1"},
    **{3: "sect163r2", 2: "sect163r1", 1: "sect163k1"},
    **{0xFF01: "arbitrary_explicit_prime_curves", 0xFF02: "arbitrary_explicit_char2_curves"},
}

#: Curves for TLS 1.3 only (RFC 8734, RFC 8998), and finite fields (RFC 7919).
CURVES_1_3 = {
    31: "brainpoolP256r1tls13",
    32: "brainpoolP384r1tls13",
    33: "brainpoolP512r1tls13",
    41: "curveSM2",
}
FIELDS = {0x100: "ffdhe2048", 0x101: "ffdhe3072", 0x102: "ffdhe4096", 0x103: "ffdhe6144", 0x104: "ffdhe8192"}

#: Curves over fields of fewer than 255 bits, and those a client describes by itself (RFC 8422, section 5.1.1).
WEAK_CURVES = (*range(1, 9), *range(15, 22), 0xFF01, 0xFF02)
#: Where WEAK_CURVES stop: sect239k1 is the largest of them, and x25519, of 255 bits, the next larger.
WEAK_CURVES_BELOW = 255

GROUPS = {**POST_QUANTUM, **CURVES, **CURVES_1_3, **FIELDS}

#: Signature schemes, the most usual first; in TLS 1.2 the two bytes are a hash and a signature (RFC 5246, 7.4.1.4.1).
SCHEMES = {
    **{0x0804: "rsa_pss_rsae_sha256", 0x0403: "ecdsa_secp256r1_sha256", 0x0401: "rsa_pkcs1_sha256"},
    **{0x0805: "rsa_pss_rsae_sha384", 0x0503: "ecdsa_secp384r1_sha384", 0x0501: "rsa_pkcs1_sha384"},
    **{0x0806: "rsa_pss_rsae_sha512", 0x0603: "ecdsa_secp521r1_sha512", 0x0601: "rsa_pkcs1_sha512"},
    **{0x0807: "ed25519", 0x0808: "ed448"},
    **{0x0809: "rsa_pss_pss_sha256", 0x080A: "rsa_pss_pss_sha384", 0x080B: "rsa_pss_pss_sha512"},
    **{0x0301: "rsa_pkcs1_sha224", 0x0303: "ecdsa_sha224", 0x0402: "dsa_sha256", 0x0502: "dsa_sha384"},
    **{0x0602: "dsa_sha512", 0x0302: "dsa_sha224"},
    **{0x0201: "rsa_pkcs1_sha1", 0x0203: "ecdsa_sha1", 0x0202: "dsa_sha1"},
    **{0x0101: "rsa_pkcs1_md5", 0x0103: "ecdsa_md5", 0x0102: "dsa_md5"},
}
WEAK_SCHEMES = (0x0201, 0x0203, 0x0202, 0x0101, 0x0103, 0x0102)

#: The kinds of SSL 2.0 (draft-hickman-netscape-ssl-00; nmap's ``sslv2.lua``).
SSL2_KINDS = {
    0x010080: "SSL_CK_RC4_128_WITH_MD5",
    0x020080: "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
    0x030080: "SSL_CK_RC2_128_CBC_WITH_MD5",
    0x040080: "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5",
    0x050080: "SSL_CK_IDEA_128_CBC_WITH_MD5",
    0x060040: "SSL_CK_DES_64_CBC_WITH_MD5",
    0x0700C0: "SSL_CK_DES_192_EDE3_CBC_WITH_MD5",
    0x080080: "SSL_CK_RC4_64_WITH_MD5",
    0x000000: "SSL_CK_NULL_WITH_MD5",
}


@functools.cache
def suite_names() -> dict[int, str]:
    """Every suite from SSL 3.0 on, by its number."""
    lines = _table("cipher-suites.txt")
    return {int(code, 16): name for code, name in (line.split(" ", 1) for line in lines)}


@functools.cache
def suite_codes() -> dict[str, int]:
    return {name: code for code, name in suite_names().items()}


def suite_name(code: int) -> str:
    """IANA's name, or one that tells nothing but the number."""
    return suite_names().get(code, f"TLS_UNKNOWN_{code:04X}")


def group_name(code: int) -> str:
    return GROUPS.get(code, f"group {code}")


def scheme_name(code: int) -> str:
    return SCHEMES.get(code, f"scheme {code:04x}")


def prime_name(prime: bytes) -> str:
    """What a prime for Diffie-Hellman is known as, else ``own``. It may begin with zeros."""
    digest = hashlib.sha256(prime.lstrip(b"\0")).hexdigest()[:32]
    return _primes().get(digest, "own")


@functools.cache
def _primes() -> dict[str, str]:
    pairs = (line.split(" ", 1) for line in _table("dh-primes.txt"))
    return {digest: name for digest, name in pairs}  # noqa: C416 - dict() does not know that these are pairs


def _table(name: str) -> list[str]:
    return importlib.resources.files(__package__).joinpath(name).read_text("ascii").splitlines()
