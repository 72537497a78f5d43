"""Baselines: profiles/*.toml become validated rules, limits, weights, caps, grades and deadlines."""

from secscan.baseline.difference import Change, Difference, differences, plain, rule_values
from secscan.baseline.profile import available_profiles, load_baseline
from secscan.baseline.rules import Baseline, Deadlines, Overlay, Overlays, Rule, Scoring, Selector, narrowed

__all__ = [
    "Baseline",
    "Change",
    "Deadlines",
    "Difference",
    "Overlay",
    "Overlays",
    "Rule",
    "Scoring",
    "Selector",
    "available_profiles",
    "differences",
    "load_baseline",
    "narrowed",
    "plain",
    "rule_values",
]
