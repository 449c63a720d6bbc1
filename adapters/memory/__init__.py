"""Every port in memory, under the same contract tests as the real adapters."""
