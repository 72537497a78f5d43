"""Feeds bytes to the readers of certificates, OCSP responses and revocation lists; nothing but their answers may come.

``python -m tests.fuzz.certificates -runs=1000000`` goes on from a few sound ones, guided by coverage.
"""

import contextlib
import sys
import tempfile
from pathlib import Path


def _instrumented() -> contextlib.AbstractContextManager[object]:
    """Imports under which branches are counted, if this is the program and not a part of the tests."""
    if __name__ != "__main__":
        return contextlib.nullcontext()
    import atheris  # not to be had for every Python

    return atheris.instrument_imports(include=["secscan.facts"])


with _instrumented():
    from secscan.facts.certificate import Certificate, is_issued_by, match_name, read_certificate
    from secscan.facts.revocation import is_list_of, read_answer, read_list
    from tests.facts.test_revocation import AT, own, response, revocation_list, root


def feed(data: bytes) -> None:
    """The first byte says what the rest is read as."""
    if not data:
        return
    choice, rest = data[0] % 3, data[1:]
    if choice == 0:
        certificate = read_certificate(rest)
        if isinstance(certificate, Certificate):
            match_name(certificate, "www.example.vn")
            is_issued_by(rest, root().der)
    elif choice == 1:
        read_answer(rest, own().der, root().der, AT)
    else:
        read_list(rest)
        is_list_of(rest, root().der)


def main() -> None:
    import atheris

    with tempfile.TemporaryDirectory() as folder:
        for choice, seed in enumerate((own().der, response(), revocation_list())):
            (Path(folder) / str(choice)).write_bytes(bytes((choice,)) + seed)
        atheris.Setup([*sys.argv, "-max_len=4096", folder], feed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
