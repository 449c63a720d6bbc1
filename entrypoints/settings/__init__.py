"""The settings: what the environment says, checked whole, and how the README shows it."""
