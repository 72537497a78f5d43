"""Runs: plan, collect, record, judge, score."""
