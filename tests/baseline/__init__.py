"""Profiles of a few checks of their own, to test how profiles are read."""
