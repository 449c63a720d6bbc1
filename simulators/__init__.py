"""The world, impersonated. Imports nothing of the packages it tests."""
