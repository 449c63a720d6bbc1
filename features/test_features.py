"""Every promise in this folder, run against the real stack."""

from pytest_bdd import scenarios

scenarios(".")
