"""Tests of what stands around a deployed service: poolers, read-only databases, clocks, a failing Redis."""
