"""A deployment whose users' keys can't be fetched: what users, probes and operators see, and that it passes."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from entrypoints.http.tests.test_serving import KEYS, ROOT, environment
from features.harness.service import eventually
from simulators.http.server import HttpServer, Request, Response
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready

ADA = "00000000-0000-0000-0000-00000000000a"
KEY = ec.generate_private_key(ec.SECP256R1())
ECDSA = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
PUBLISHED = {"keys": [{**json.loads(ECDSA.to_jwk(KEY.public_key())), "kid": "one", "alg": "ES256", "use": "sig"}]}
CLAIMS = {"sub": ADA, "aud": "authenticated", "role": "authenticated", "exp": 4_102_444_800}
SERVICE_KEY = "service-key-of-twenty-chars"


def test_keys_that_cannot_be_fetched_are_reported(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Users are told to come again, backends go on; probes, the doctor and the log say it, until it is over."""
    answers = [Response(status=500)]

    def answer(request: Request) -> Response:
        return answers[-1] if request.path == "/jwks.json" else Response(status=401, body=b'{"error": {}}')

    with HttpServer(answer) as project:
        settings = environment(
            **KEYS,
            STRIPE_API_BASE=project.url,
            SUPABASE_DB_URL=database_url,
            SUPABASE_JWKS_URL=f"{project.url}/jwks.json",
            REDIS_URL=redis_url,
            CREDENCE_SERVICE_KEY=SERVICE_KEY,
            CREDENCE_PORT=str(free_port()),
            CREDENCE_WORKER="false",
        )
        log, url = tmp_path / "log", f"http://127.0.0.1:{settings['CREDENCE_PORT']}"
        user = {"Authorization": f"Bearer {jwt.encode(CLAIMS, KEY, algorithm='ES256', headers={'kid': 'one'})}"}
        with serving(settings, log), httpx.Client(base_url=url) as client:
            wait_until_ready(url, log)
            ready = client.get("/readyz")
            assert (200, "unavailable") == (ready.status_code, ready.json()["access_token_keys"])
            refused = client.get("/quota", headers=user)
            assert (503, "urn:credence:auth-unavailable") == (refused.status_code, refused.json()["type"])
            assert "Retry-After" in refused.headers
            backend = client.get(f"/quota?user_id={ADA}", headers={"Authorization": f"Bearer {SERVICE_KEY}"})
            assert "urn:credence:unknown-user" == backend.json()["type"]
            assert f"could not be fetched from {project.url}/jwks.json: it answered 500" in log.read_text()
            assert ["bad", f"cannot be fetched from {project.url}/jwks.json: it answered 500"] == examined(settings)
            answers.append(Response(body=json.dumps(PUBLISHED).encode()))
            assert "unknown-user" == eventually(
                lambda: client.get("/quota", headers=user).json()["type"].rpartition(":")[2], "unknown-user"
            )
            assert "ok" == client.get("/readyz").json()["access_token_keys"]
            assert ["good", f"fetched from {project.url}/jwks.json"] == examined(settings)


def examined(settings: dict[str, str]) -> list[str]:
    """What the doctor says of the keys."""
    command = [sys.executable, "-m", "entrypoints", "doctor", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    (found,) = [one for one in json.loads(done.stdout)["diagnoses"] if one["subject"] == "access-token keys"]
    return [found["verdict"], found["seen"]]
