"""Baselines: profiles/*.toml become validated rules, limits, weights, caps and grades."""

from secscan.baseline.profile import available_profiles, load_baseline
from secscan.baseline.rules import Baseline, Deadlines, Rule, Scoring, narrowed

__all__ = ["Baseline", "Deadlines", "Rule", "Scoring", "available_profiles", "load_baseline", "narrowed"]
