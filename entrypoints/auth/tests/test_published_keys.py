"""Where a project publishes its keys: a real server that is slow, trickles, is flooded with names, or sends junk."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import attrs
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from entrypoints.auth.authenticator import Authenticator, SignedInUser, Unauthenticated
from entrypoints.auth.jwks import APART_SECONDS, KEEP_SECONDS, MAX_WAITING, RETRY_SECONDS, AuthUnavailable, Jwks
from entrypoints.auth.key_sets import MAX_BYTES

ADA = "00000000-0000-0000-0000-00000000000a"
CLAIMS = {"sub": ADA, "aud": "authenticated", "role": "authenticated", "exp": 4_102_444_800}
ONE, TWO = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
RSA = rsa.generate_private_key(65537, 2048)


def jwk(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str, **changes: Any) -> dict[str, Any]:
    """A key as it is published; what is changed to None is left out."""
    algorithm: Any = jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else None
    algorithm = algorithm or jwt.algorithms.RSAAlgorithm
    alg = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
    fields = json.loads(algorithm(algorithm.SHA256).to_jwk(key.public_key()))
    fields = {**fields, "kid": name, "alg": alg, "use": "sig", **changes}
    return {field: value for field, value in fields.items() if value is not None}


def published(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def token(name: str = "one", key: Any = ONE, algorithm: str = "ES256") -> str:
    return jwt.encode(CLAIMS, key, algorithm=algorithm, headers={"kid": name})


@attrs.define
class Project:
    """A server of keys, by its address; it counts who asks, and can be told to wait, to trickle, or to never end."""

    body: bytes = published(jwk(ONE, "one"))
    status: int = 200
    headers: bytes = b""
    pause: float = 0.0
    """Seconds before each byte."""
    padding: int = 0
    """Blanks before the body."""
    asked: int = 0
    url: str = ""
    is_asked: asyncio.Event = attrs.field(factory=asyncio.Event)
    answers: asyncio.Event = attrs.field(factory=asyncio.Event)
    is_over: asyncio.Event = attrs.field(factory=asyncio.Event)
    now: float = 0.0
    time_passes: asyncio.Event = attrs.field(factory=asyncio.Event)

    def keys(self, **options: Any) -> Jwks:
        return Jwks(self.url, seconds=lambda: self.now, sleep=self.sleep, **options)

    async def sleep(self, seconds: float) -> None:
        """Wait until time passes, and let it have been so much."""
        await self.time_passes.wait()
        self.now += seconds

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            self.is_asked.set()
            await self.answers.wait()
            size = self.padding + len(self.body)
            writer.write(b"HTTP/1.1 %d Told\r\nContent-Length: %d\r\n%s\r\n" % (self.status, size, self.headers))
            for _ in range(self.padding // MAX_BYTES):
                writer.write(b" " * MAX_BYTES)
                await writer.drain()
            if not self.pause:
                writer.write(self.body)
            for byte in self.body if self.pause else b"":
                writer.write(bytes([byte]))
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.is_over.wait(), self.pause)
                    return


@contextlib.asynccontextmanager
async def project(**options: Any) -> AsyncIterator[Project]:
    one = Project(**options)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    one.answers.set()
    one.time_passes.set()
    try:
        async with server:
            yield one
    finally:
        one.answers.set()
        one.is_over.set()


def at_once(called: Coroutine[Any, Any, Any]) -> Any:
    """What is answered without giving way to anything, such as a fetch that is under way."""
    try:
        called.send(None)
    except StopIteration as stopped:
        return stopped.value
    called.close()
    pytest.fail("it waits")


async def begun(*tasks: asyncio.Task[Any]) -> None:
    """Let each task come to where it waits."""
    await asyncio.sleep(0)
    assert [False] * len(tasks) == [task.done() for task in tasks]


async def settled(keys: Jwks) -> None:
    """Wait until the fetch that is under way is over."""
    fetch = keys._under_way or keys._coming
    assert fetch is not None
    await fetch


async def test_all_who_wait_share_one_fetch() -> None:
    """Twenty users whom a slow project keeps waiting make one request, and all get its answer: come again."""
    async with project(status=503) as slow:
        slow.answers.clear()
        keys = slow.keys()
        users = [asyncio.create_task(keys.key_for(token())) for _ in range(20)]
        await slow.is_asked.wait()
        slow.answers.set()
        answers = await asyncio.gather(*users, return_exceptions=True)
        assert ["AuthUnavailable(cause='it answered 503')"] * 20 == list(map(repr, answers))
        assert 1 == slow.asked
        with pytest.raises(AuthUnavailable):
            at_once(keys.key_for(token()))


async def test_who_gives_up_does_not_end_the_fetch_of_others() -> None:
    """The first to wait goes away; the second has the key by the same request."""
    async with project() as slow:
        slow.answers.clear()
        keys = slow.keys()
        first, second = (asyncio.create_task(keys.key_for(token())) for _ in range(2))
        await slow.is_asked.wait()
        first.cancel()
        await asyncio.wait([first])
        slow.answers.set()
        assert "one" == (await second).key_id
        assert 1 == slow.asked


async def test_an_answer_that_trickles_is_given_up() -> None:
    """The limit is on the whole of it: a byte now and then does not put it off."""
    async with project(pause=0.05, padding=0, body=published(jwk(ONE, "one")).ljust(300)) as trickling:
        with pytest.raises(AuthUnavailable, match="no complete response within 5 seconds"):
            await trickling.keys().key_for(token())


async def test_an_answer_without_end_is_given_up() -> None:
    """No more than 64 KiB are taken in of it, packed or not."""
    async with project(padding=64 * MAX_BYTES) as flooding:
        with pytest.raises(AuthUnavailable, match="more than 64 KiB"):
            await flooding.keys().key_for(token())
    packed = gzip.compress(published(jwk(ONE, "one")).ljust(64 * MAX_BYTES))
    async with project(body=packed, headers=b"Content-Encoding: gzip\r\n") as flooding:
        with pytest.raises(AuthUnavailable, match="the response is compressed"):
            await flooding.keys().key_for(token())


JUNK = [
    (200, b""),
    (200, b"<html>Sign in to the network</html>"),
    (200, b"{}"),
    (200, b"[]"),
    (200, b"null"),
    (200, b'{"keys": null}'),
    (200, b'{"keys": {}}'),
    (200, b'{"keys": []}'),
    (200, b'{"keys": [null, 1, "one", [], {}]}'),
    (200, b'{"keys": [{"kty": "EC", "kid": "one", "crv": "P-256", "x": "?", "y": 5}]}'),
    (200, b'{"keys": ' + b"[" * 20_000),
    (200, b"\xff\xfe"),
    (200, published(jwk(TWO, "one", use="enc"))),
    (204, b""),
    (302, b""),
    (404, b"not found"),
    (500, published(jwk(TWO, "two"))),
]


@pytest.mark.parametrize(("status", "body"), JUNK)
async def test_known_keys_outlast_answers_without_any(status: int, body: bytes) -> None:
    """Whatever else the project answers, users by a known key are let in, and for others the answer is: come again."""
    async with project() as failing:
        keys = failing.keys()
        known = await keys.key_for(token())
        failing.status, failing.body = status, body
        failing.now += KEEP_SECONDS + 1
        assert known is at_once(keys.key_for(token()))
        await settled(keys)
        assert known is at_once(keys.key_for(token()))
        with pytest.raises(AuthUnavailable):
            at_once(keys.key_for(token("two", TWO)))
        assert await keys.trouble() is not None
        failing.status, failing.body = 200, published(jwk(ONE, "one"), jwk(TWO, "two"))
        failing.now += RETRY_SECONDS
        assert "two" == (await keys.key_for(token("two", TWO))).key_id
        assert await keys.trouble() is None


@pytest.mark.parametrize(("status", "body"), JUNK)
async def test_nobody_is_refused_for_want_of_keys(status: int, body: bytes) -> None:
    """Where no key was ever had, the answer is to come again, not that the token is bad."""
    async with project(status=status, body=body) as failing:
        with pytest.raises(AuthUnavailable):
            await failing.keys().key_for(token())


async def test_a_project_with_a_shared_secret_may_publish_no_keys() -> None:
    """That is no trouble then, and a token by a key pair is refused."""
    async with project(body=published()) as empty:
        keys = empty.keys(may_be_empty=True)
        with pytest.raises(jwt.InvalidKeyError):
            await keys.key_for(token())
        assert await keys.trouble() is None


async def test_made_up_names_make_few_fetches() -> None:
    """Two hundred tokens by keys that there are not are one fetch more; one by one they wait for their turn."""
    async with project() as flooded:
        keys = flooded.keys()
        await keys.key_for(token())
        made_up = [keys.key_for(token(f"made up {number}")) for number in range(200)]
        answers = await asyncio.gather(*made_up, return_exceptions=True)
        assert {jwt.InvalidKeyError} == {type(answer) for answer in answers}
        assert (2, APART_SECONDS) == (flooded.asked, flooded.now)
        for number in range(10):
            with pytest.raises(jwt.InvalidKeyError):
                await keys.key_for(token(f"also made up {number}"))
        assert (12, 11 * APART_SECONDS) == (flooded.asked, flooded.now)


async def test_who_comes_during_a_fetch_is_judged_by_the_next() -> None:
    """An answer that was on its way then may be from before the key; all who came meanwhile share one fetch."""
    async with project() as rotating:
        keys = rotating.keys()
        rotating.answers.clear()
        first = asyncio.create_task(keys.key_for(token()))
        await rotating.is_asked.wait()
        late = [asyncio.create_task(keys.key_for(token("two", TWO))) for _ in range(20)]
        known = [asyncio.create_task(keys.key_for(token())) for _ in range(20)]
        await begun(*late, *known)
        rotating.time_passes.clear()
        rotating.answers.set()
        assert {"one"} == {key.key_id for key in await asyncio.gather(first, *known)}
        rotating.body = published(jwk(ONE, "one"), jwk(TWO, "two"))
        rotating.time_passes.set()
        assert {"two"} == {key.key_id for key in await asyncio.gather(*late)}
        assert (2, APART_SECONDS) == (rotating.asked, rotating.now)


async def test_who_comes_during_a_fetch_that_fails_is_to_come_again() -> None:
    """They do not wait for the next one, which is put off; and nobody else waits until then."""
    async with project() as failing:
        keys = failing.keys()
        failing.answers.clear()
        waiting = [asyncio.create_task(keys.key_for(token()))]
        await failing.is_asked.wait()
        waiting += [asyncio.create_task(keys.key_for(token(f"made up {number}"))) for number in range(20)]
        await begun(*waiting)
        failing.status = 503
        failing.answers.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert {AuthUnavailable} == {type(answer) for answer in answers}
        with pytest.raises(AuthUnavailable):
            at_once(keys.key_for(token()))
        assert (1, 0) == (failing.asked, failing.now)


async def test_so_many_may_wait() -> None:
    """One more is to come again, at once; and so many may wait again when these have gone, in whatever way."""
    async with project() as flooded:
        keys = flooded.keys()
        known = await keys.key_for(token())
        for are_cancelled in (True, False):
            flooded.time_passes.clear()
            shown = token("made up")
            waiting = [asyncio.create_task(keys.key_for(shown)) for _ in range(MAX_WAITING)]
            await begun(*waiting)
            with pytest.raises(AuthUnavailable, match="too many"):
                at_once(keys.key_for(shown))
            assert known is at_once(keys.key_for(token()))
            for task in waiting if are_cancelled else []:
                task.cancel()
            flooded.time_passes.set()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            expected = asyncio.CancelledError if are_cancelled else jwt.InvalidKeyError
            assert {expected} == {type(answer) for answer in answers}


async def test_made_up_names_hold_nobody_up() -> None:
    """While a slow project is asked for keys that there are not, a user by a known key does not wait."""
    async with project() as slow:
        keys = slow.keys()
        known = await keys.key_for(token())
        slow.answers.clear()
        slow.is_asked.clear()
        slow.now += KEEP_SECONDS / 2
        worthless = [asyncio.create_task(keys.key_for(token(f"made up {number}"))) for number in range(8)]
        await slow.is_asked.wait()
        assert known is at_once(keys.key_for(token()))
        slow.now += KEEP_SECONDS + 1
        assert known is at_once(keys.key_for(token()))
        slow.answers.set()
        answers = await asyncio.gather(*worthless, return_exceptions=True)
        assert {jwt.InvalidKeyError} == {type(answer) for answer in answers}
        assert 2 == slow.asked


async def test_a_new_key_works_at_once() -> None:
    """A token by a key that was not there makes a fetch, however new the known ones are."""
    async with project() as rotating:
        keys = rotating.keys()
        await keys.key_for(token())
        rotating.body = published(jwk(TWO, "two"))
        assert "two" == (await keys.key_for(token("two", TWO))).key_id
        with pytest.raises(jwt.InvalidKeyError):
            await keys.key_for(token())


async def test_made_up_names_put_a_new_key_off_by_a_second() -> None:
    """Right after a fetch for what there is not, a new key works too, after the pause between two fetches."""
    async with project() as rotating:
        keys = rotating.keys()
        for _ in range(3):
            with pytest.raises(jwt.InvalidKeyError):
                await keys.key_for(token("made up"))
        rotating.body = published(jwk(TWO, "two"))
        before = rotating.now
        assert "two" == (await keys.key_for(token("two", TWO))).key_id
        assert APART_SECONDS == rotating.now - before


OTHER_KEYS = [
    (jwk(TWO, "two", use="enc"), TWO, "ES256"),
    (jwk(TWO, "two", key_ops=["sign"]), TWO, "ES256"),
    (jwk(TWO, "two", alg="ES384"), TWO, "ES256"),
    (jwk(TWO, "two", alg="none"), TWO, "ES256"),
    (jwk(TWO, "two", alg="RS256"), TWO, "ES256"),
    (jwk(RSA, "two", use="enc", alg="RSA-OAEP"), RSA, "RS256"),
    (jwk(RSA, "two", alg="RS512"), RSA, "RS256"),
    (jwk(RSA, "two", alg="PS256"), RSA, "RS256"),
    ({"kty": "oct", "kid": "two", "k": "c" * 43, "alg": "HS256", "use": "sig"}, b"s" * 32, "HS256"),
    ({"kty": "oct", "kid": "two", "k": "c" * 43, "alg": "ES256", "use": "sig"}, TWO, "ES256"),
]


@pytest.mark.parametrize(("key", "signer", "algorithm"), OTHER_KEYS)
async def test_a_key_for_something_else_lets_nobody_in(key: dict[str, Any], signer: Any, algorithm: str) -> None:
    """A key that encrypts, is of another algorithm, or is shared, checks no token, though it is published."""
    async with project(body=published(key, jwk(ONE, "one"))) as mixed:
        who = authenticator(mixed.keys())
        assert SignedInUser(ADA, None) == await who.authenticate({"authorization": f"Bearer {token()}"})
        with pytest.raises(Unauthenticated):
            await who.authenticate({"authorization": f"Bearer {token('two', signer, algorithm)}"})


async def test_what_a_key_leaves_out_is_no_hindrance() -> None:
    """Its use and algorithm may be left out; its kind says then which algorithm it checks."""
    async with project(body=published(jwk(RSA, "one", use=None, alg=None, key_ops=["verify"]))) as terse:
        shown = token("one", RSA, "RS256")
        user = await authenticator(terse.keys()).authenticate({"authorization": f"Bearer {shown}"})
        assert SignedInUser(ADA, None) == user


async def test_trouble_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """With the address, without what is secret in it; an outage that lasts does not fill the log."""
    caplog.set_level("INFO", "credence.auth")
    async with project(status=500) as failing:
        address, failing.url = failing.url, failing.url.replace("//", "//name:secret@") + "?apikey=secret"
        keys = failing.keys()
        for _ in range(3):
            with pytest.raises(AuthUnavailable):
                await keys.key_for(token())
            failing.now += RETRY_SECONDS
        failing.status = 200
        await keys.key_for(token())
        what = f"The keys of access tokens could not be fetched from {address}"
        assert [
            f"{what}: it answered 500; until then no user can sign in",
            f"The keys of access tokens could be fetched again from {address}",
        ] == [record.message for record in caplog.records if record.name == "credence.auth"]
        assert 4 == failing.asked


def authenticator(keys: Jwks) -> Authenticator:
    return Authenticator(
        service_keys=(),
        operator_keys=(),
        gateway_secrets=(),
        trust_user_headers=False,
        jwt_secret=None,
        jwks=keys,
        issuer=None,
    )
