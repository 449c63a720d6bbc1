"""In-memory implementations of every port, under the same contract tests as the real adapters."""
