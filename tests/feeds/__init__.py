"""Tests of feeds; a package, for the builders are imported by name."""
