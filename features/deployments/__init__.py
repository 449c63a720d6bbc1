"""Tests of what stands around the service where people deploy it: poolers, databases that take no writes, clocks."""
