"""Baselines, in TOML: which checks count, their limits and weights."""
