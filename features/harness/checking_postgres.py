"""Debian's Postgres with the extension plpgsql_check, which no Python package carries."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")


@contextlib.contextmanager
def checking_postgres(folder: Path) -> Iterator[str]:
    """Give the address of a server in a folder; it ends with the block.

    :raises FileNotFoundError: if the machine has no such Postgres.
    """
    found = sorted(DEBIAN.glob("*/lib/plpgsql_check.so"))
    if not found:
        raise FileNotFoundError(
            "plpgsql_check is missing: apt-get install postgresql-15-plpgsql-check, as .ci/run does"
        )
    programs, data = found[-1].parents[1] / "bin", folder / "data"
    # Postgres refuses to run as root; the package has made it a user.
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        folder.parent.chmod(0o755)
        shutil.chown(folder, user)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, "-D", data, *arguments], user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL
        )

    run("initdb", "--auth=trust", "--username=postgres", "--no-sync")
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    run("pg_ctl", "--wait", "--log", str(folder / "log"), "--options", options, "start")
    try:
        yield f"postgresql://postgres:@/postgres?host={folder}"
    finally:
        run("pg_ctl", "--wait", "--mode=immediate", "stop")
