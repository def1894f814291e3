"""Benchmarks: commands that interleave the contestants in one run and print ratios."""
