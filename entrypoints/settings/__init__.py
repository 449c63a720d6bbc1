"""The settings: read from the environment, validated as a whole, and listed in the README."""
