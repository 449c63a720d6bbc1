"""Benchmarks: what is measured, each beside the limit that the same run measured."""
