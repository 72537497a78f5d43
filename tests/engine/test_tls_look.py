"""How closely TLS is looked at: what a plan says becomes what the collector is told."""

import pytest

from secscan.engine.protocol import CollectionSettings, TlsLook
from secscan.engine.worker import tls_settings
from secscan.facts import Depth


@pytest.mark.parametrize(
    ("look", "depth", "audit"),
    [
        (TlsLook.QUICK, Depth.VERDICT, False),
        (TlsLook.FULL, Depth.FULL, False),
        (TlsLook.DEEP, Depth.FULL, True),
    ],
)
def test_how_closely(look: TlsLook, depth: Depth, audit: bool) -> None:
    settings = tls_settings(CollectionSettings(tls=look))
    assert (settings.depth, settings.audit) == (depth, audit)


def test_a_scan_is_quick_unless_told_otherwise() -> None:
    assert CollectionSettings().tls is TlsLook.QUICK


@pytest.mark.parametrize(("deadline", "expected"), [(5.0, 5.0), (15.0, 15.0), (60.0, 15.0)])
def test_a_sweep_takes_no_longer_than_its_own_deadline_or_the_users(deadline: float, expected: float) -> None:
    assert tls_settings(CollectionSettings(deadline=deadline)).sweep.deadline == expected
