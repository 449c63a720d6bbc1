"""The outside that we call: one module is one technology in one role."""
