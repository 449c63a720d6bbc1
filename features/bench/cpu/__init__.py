"""Benchmarks of a request's CPU, beside handlers written by hand and beside another checkout."""
