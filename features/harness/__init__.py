"""The harness that the tests run on: the real use cases in memory for the explorers, and the real stack."""
