"""The locked packages can be installed on every Python that is supported, without a compiler."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).resolve().parents[3]
GLIBC = 28
"""The minor version of the oldest glibc 2 that every wheel runs on: Debian 10's, and RHEL 8's."""


def for_other_pythons(minor: int) -> set[str]:
    """Return the development tools that are not installed on that Python, by their markers in pyproject.toml."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    version = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0"}
    wanted = map(Requirement, tools)
    return {one.name for one in wanted if one.marker is not None and not one.marker.evaluate(version)}


def locked_wheels() -> dict[str, list[str]]:
    """Return the names of each locked package's wheels."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    return {
        package["name"]: [wheel["url"].rpartition("/")[2] for wheel in package.get("wheels", [])]
        for package in lock["package"]
        if "registry" in package["source"]
    }


@pytest.mark.parametrize("minor", [11, 12, 13, 14])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_each_locked_package_has_a_wheel(minor: int, machine: str) -> None:
    """No package that it has would have to be compiled on Linux, on Intel's machines and on ARM's."""
    older = [f"manylinux{generation}_{machine}" for generation in ("2014", "2010", "1")]
    platforms = [f"manylinux_2_{glibc}_{machine}" for glibc in range(GLIBC, 4, -1)] + older
    tags = {*cpython_tags((3, minor), platforms=platforms), *compatible_tags((3, minor), platforms=platforms)}
    wheels = locked_wheels()
    assert len(wheels) > 50
    without = {name for name, names in wheels.items() if not any(tags & parse_wheel_filename(one)[3] for one in names)}
    assert set() == without - for_other_pythons(minor)
