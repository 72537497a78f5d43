"""Baselines: profiles/*.toml become validated rules, limits, weights, caps and grades."""

from secscan.baseline.profile import available_profiles, load_baseline
from secscan.baseline.rules import Baseline, Rule, Scoring, narrowed

__all__ = ["Baseline", "Rule", "Scoring", "available_profiles", "load_baseline", "narrowed"]
