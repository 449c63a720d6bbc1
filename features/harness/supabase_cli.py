"""The real Supabase CLI, with a home of its own."""

import os
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from features.harness.tcp_bridge import tcp_bridge
from features.real_parts import node_binary

CLI_SECONDS = 120


def supabase_cli(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run it in a folder; gives its exit code, and all that it printed."""
    done = subprocess.run(
        [node_binary("supabase"), *arguments],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "SUPABASE_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CLI_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def supabase_cli_at(database_url: str, folder: Path, *arguments: str) -> tuple[int, str]:
    """Run it with `--remote=…` at a database whose server listens on a unix socket."""
    parts = urlsplit(database_url)
    with tcp_bridge(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432") as port:
        address = f"postgresql://postgres:unused@127.0.0.1:{port}{parts.path}?sslmode=disable"
        return supabase_cli(folder, *arguments, f"--remote={address}")
