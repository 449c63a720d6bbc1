"""What a running service imported: packages that it does not use take memory from each process."""

from features.harness.own_service import Serve

SUPABASE = {"supabase", "postgrest", "realtime", "storage3", "supabase_auth", "supabase_functions"}


def test_a_service_on_postgres_imports_neither_supabase_nor_pydantic(serve: Serve) -> None:
    """Which Litestar imports wherever it is installed, and the stand-ins for data that it makes examples with."""
    with serve(PYTHONPROFILEIMPORTTIME="1") as serving:
        serving.http.get("/schema/openapi.json").raise_for_status()
        lines = [line for line in serving.log.read_text().splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert {"litestar", "stripe", "asyncpg"} <= imported
    assert set() == imported & (SUPABASE | {"faker", "pydantic", "polyfactory"})
