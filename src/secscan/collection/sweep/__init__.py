"""The sweep: what a server offers in TLS and which certificates it sends, by hellos of our own."""

from secscan.collection.sweep.settings import Depth, SweepSettings, Swept
from secscan.collection.sweep.sweeping import sweep

__all__ = ["Depth", "SweepSettings", "Swept", "sweep"]
