"""The sweep, held to every server of the zoo: what it says is what the server was set up to do."""

from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from secscan.collection.sweep import Depth, Swept
from secscan.facts import TlsFacts
from secscan.scope import utc_now
from tests.lab.authority import Authority
from tests.lab.zoo import ZOO, Exhibit, RunningZoo, start_zoo
from tests.lab.zoo.comparison import COMPLETE, differences
from tests.lab.zoo.visit import sweep_zoo


@pytest.fixture(scope="module")
def zoo() -> Iterator[RunningZoo]:
    with start_zoo(Authority(utc_now()), ZOO) as running:
        yield running


@pytest.fixture(scope="module")
def verdicts(zoo: RunningZoo) -> Mapping[Exhibit, Swept]:
    return sweep_zoo(zoo, Depth.VERDICT)


@pytest.fixture(scope="module")
def pictures(zoo: RunningZoo) -> Mapping[Exhibit, Swept]:
    return sweep_zoo(zoo, Depth.FULL)


#: Where the sweep is known to be wrong, and in what. It is empty when all is well.
KNOWN_WRONG = {
    "OpenSSL 3.0: TLS 1.3 with CCM alone": "its handshake offers no suite with CCM",
    "OpenSSL 3.0 (Python): a certificate of the client's is required, TLS 1.3": "takes it for asked, at times",
    "OpenSSL 1.0.0m (Node 0.8): SSL 2.0 to TLS 1.0 with RC4 alone": "takes the chain of SSL 2.0 for that of TLS",
    "OpenSSL 1.0.1g (Node 0.10): single DES alone, and ChangeCipherSpec too early": "hangs up without an alert",
    "OpenSSL 1.0.1e (Node 0.10): Heartbleed": "is not found",
    "OpenSSL 3.5 (Node 24): the largest hybrid alone": "its handshake does not offer that group",
}


def named(exhibit: Exhibit) -> str:
    return f"{exhibit.maker}: {exhibit.name}"


EXHIBITS = pytest.mark.parametrize(
    "exhibit", [exhibit for exhibit in ZOO if named(exhibit) not in KNOWN_WRONG], ids=named
)


def found(exhibit: Exhibit, zoo: RunningZoo, swept: Mapping[Exhibit, Swept]) -> Swept:
    if exhibit in zoo.missing:
        pytest.skip(zoo.missing[exhibit])
    return swept[exhibit]


@EXHIBITS
def test_the_verdict(exhibit: Exhibit, zoo: RunningZoo, verdicts: Mapping[Exhibit, Swept]) -> None:
    swept = found(exhibit, zoo, verdicts)
    assert differences(exhibit.expected, swept.tls, swept.chain, complete=COMPLETE[Depth.VERDICT]) == []


@EXHIBITS
def test_the_full_picture(exhibit: Exhibit, zoo: RunningZoo, pictures: Mapping[Exhibit, Swept]) -> None:
    swept = found(exhibit, zoo, pictures)
    assert differences(exhibit.expected, swept.tls, swept.chain, complete=COMPLETE[Depth.FULL]) == []


#: Of two sweeps the deeper may know more, and never otherwise.
_SETTLED = ("dh_bits", "client_certificate", "post_quantum", "weak_signatures")


@EXHIBITS
def test_both_agree(
    exhibit: Exhibit,
    zoo: RunningZoo,
    verdicts: Mapping[Exhibit, Swept],
    pictures: Mapping[Exhibit, Swept],
) -> None:
    quick, full = found(exhibit, zoo, verdicts).tls, found(exhibit, zoo, pictures).tls
    assert type(quick) is type(full)
    if isinstance(quick, TlsFacts) and isinstance(full, TlsFacts):
        assert [offer.offered for offer in quick.versions] == [offer.offered for offer in full.versions]
        assert {name: getattr(quick, name) for name in _SETTLED} == {
            name: getattr(full, name) for name in _SETTLED
        }


def test_the_zoo_is_large_and_its_names_are_unlike() -> None:
    names = Counter((exhibit.maker, exhibit.name) for exhibit in ZOO)
    assert len(names) == len(ZOO) >= 60
