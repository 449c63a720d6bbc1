"""The world, impersonated, without an import of the packages that it tests."""
