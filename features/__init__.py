"""Every promise as a feature, run on the real parts."""
