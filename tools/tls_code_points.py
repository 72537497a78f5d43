"""Writes the tables of the wire format from installed sources: nmap's tls.lua and ssl-dh-params.nse, and tlslite-ng.

Names of suites are IANA's. nmap writes those of TLS 1.3 as TLS_AKE_WITH_...; they are given their own names again. Where
nmap and tlslite-ng both know a code point they must agree.
"""

import hashlib
import re
from pathlib import Path

from tlslite import mathtls
from tlslite.constants import CipherSuite

NMAP = Path("/usr/share/nmap")
WIRE = Path(__file__).parent.parent / "src/secscan/collection/sweep/wire"

#: RFC 9150 and RFC 8446, which nmap names in a way of its own.
OWN_NAMES = {"TLS_AKE_WITH_NULL_SHA256": "TLS_SHA256_SHA256", "TLS_AKE_WITH_NULL_SHA384": "TLS_SHA384_SHA384"}


def main() -> None:
    (WIRE / "cipher-suites.txt").write_text(
        "".join(f"{code:04X} {name}\n" for code, name in sorted(suites().items())), "ascii"
    )
    (WIRE / "dh-primes.txt").write_text(
        "".join(f"{digest} {name}\n" for digest, name in sorted(primes().items())), "ascii"
    )


def suites() -> dict[int, str]:
    lua = (NMAP / "nselib/tls.lua").read_text("utf-8")
    table = lua[lua.index("CIPHERS = {") : lua.index("DEFAULT_TLS12_CIPHERS")]
    found: dict[int, str] = {}
    for name, digits in re.findall(r'\[?"?\b((?:TLS|SSL)_\w+)"?\]?\s*=\s*0x([0-9A-Fa-f]{4})', table):
        found[int(digits, 16)] = OWN_NAMES.get(name, name.replace("TLS_AKE_WITH_", "TLS_"))
    for code, name in CipherSuite.ietfNames.items():
        same = name.replace("_ANON_", "_anon_")
        if code in found and found[code] != same:
            raise SystemExit(f"{code:04X} is {found[code]} for nmap and {same} for tlslite-ng")
    # What only signals, and what nothing but the name is left of.
    return {code: name for code, name in found.items() if code != 0 and not name.endswith("_SCSV")}


def primes() -> dict[str, str]:
    script = (NMAP / "scripts/ssl-dh-params.nse").read_text("utf-8")
    table = script[script.index("local DHE_PRIMES") : script.index("local DSA_PARAMS")]
    found = {
        _digest(int(re.sub(r"\s", "", digits), 16)): name.split("/")[0].strip()
        for digits, name in re.findall(r'fromhex\(\[\[([0-9A-Fa-f\s]+)\]\]\)\]\s*=\s*"([^"]+)"', table)
    }
    for names in ("RFC2409_GROUP{}", "RFC3526_GROUP{}", "RFC5114_GROUP{}", "FFDHE{}"):
        for number in (1, 2, 5, *range(14, 25), 2048, 3072, 4096, 6144, 8192):
            group = getattr(mathtls, names.format(number), None)
            if group is not None:
                name = names.format(number)
                rfc = re.match(r"RFC(\d+)_GROUP(\d+)", name)
                found[_digest(group[1])] = f"RFC {rfc[1]} group {rfc[2]}" if rfc else name.lower()
    return found


def _digest(prime: int) -> str:
    """Of the prime in as few bytes as hold it: servers send it with leading zeros and without."""
    return hashlib.sha256(prime.to_bytes((prime.bit_length() + 7) // 8, "big")).hexdigest()[:32]


if __name__ == "__main__":
    main()
