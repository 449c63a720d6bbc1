"""Tests over HTTP on the real stack that are no features: bad input, refusals, kills, parallel spends."""
