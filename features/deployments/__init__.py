"""Tests of what stands around the service where people deploy it: poolers, read-only databases, clocks, a failing Redis."""
