"""secscan: how well each agency's servers are protected, and the proof of it."""

__version__ = "0.1.0"
