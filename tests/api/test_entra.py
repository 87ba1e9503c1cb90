"""Access tokens of Microsoft Entra ID: whom they let in, and everything that they do not."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.api.conftest import Client, Serve
from tests.api.test_auth import ROUTES, bearer
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.issuer import (
    ADA,
    APP_URI,
    CLIENT,
    SISTER,
    STRANGER,
    TENANT,
    Issuer,
    jwk,
    rsa_key,
    running_issuer,
    sign,
    sign_text,
    unsigned,
)
from tests.support.waiting import eventually

from backfilld.api.auth.entra import LONGEST_TOKEN, EntraAuthenticator
from backfilld.api.public import keys
from backfilld.domain.access.callers import Caller, Role
from backfilld.domain.errors import Forbidden, Unavailable
from backfilld.operations.keys import KeyOperations
from backfilld.store.connection.pool import Pool


@pytest.fixture
async def issuer(clock: FakeClock) -> AsyncIterator[Issuer]:
    async with running_issuer(clock) as issuer:
        yield issuer


@pytest.fixture
async def known(issuer: Issuer, clock: FakeClock) -> AsyncIterator[EntraAuthenticator]:
    """Knows the tokens of `issuer`."""
    authenticator = EntraAuthenticator(issuer.acceptance(), clock, fetch_timeout_seconds=5)
    yield authenticator
    await authenticator.close()


async def caller(known: EntraAuthenticator, token: str) -> Caller:
    found = await known.authenticate(token)
    assert found is not None
    return found


# Who is let in


async def test_a_person_is_known_by_directory_and_object_and_shown_by_name(
    known: EntraAuthenticator, issuer: Issuer
) -> None:
    found = await known.authenticate(issuer.token(roles=["Run.All"]))

    assert Caller(f"entra:{TENANT}/{ADA}", "ada@example.com", "operator", "person") == found


async def test_version_1_tokens_are_as_good(known: EntraAuthenticator, issuer: Issuer) -> None:
    found = await known.authenticate(issuer.token(version=1, roles=["Read.All"]))

    assert Caller(f"entra:{TENANT}/{ADA}", "ada@example.com", "viewer", "person") == found


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("audience", [CLIENT, APP_URI])
async def test_the_client_id_and_the_uri_are_both_our_name(
    known: EntraAuthenticator, issuer: Issuer, version: int, audience: str
) -> None:
    assert await known.authenticate(issuer.token(version=version, aud=audience, roles=["Run.All"]))


@pytest.mark.parametrize("tenant", [TENANT, SISTER])
async def test_every_listed_directory_may_ask(known: EntraAuthenticator, issuer: Issuer, tenant: str) -> None:
    found = await caller(known, issuer.token(tid=tenant, roles=["Run.All"]))

    assert f"entra:{tenant}/{ADA}" == found.identity
    assert [f"/{tenant}/v2.0/.well-known/openid-configuration", f"/{tenant}/discovery/v2.0/keys"] == [*issuer.fetched]


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (["Read.All"], "viewer"),
        (["Read.All", "Everything", "Run.All"], "admin"),
        (["something else", "Run.All", 7, None], "operator"),
    ],
)
async def test_of_several_roles_the_highest_counts(
    known: EntraAuthenticator, issuer: Issuer, roles: list[str], expected: Role
) -> None:
    assert expected == (await caller(known, issuer.token(roles=roles))).role


async def test_a_service_may_work_but_counts_as_a_key(known: EntraAuthenticator, issuer: Issuer) -> None:
    plain = issuer.app_token(roles=["Run.All"], app_displayname="nightly")
    without_type = issuer.app_token(roles=["Run.All"], idtyp=None)

    assert Caller(f"entra:{TENANT}/{ADA}", "nightly", "operator", "key") == await known.authenticate(plain)
    assert Caller(f"entra:{TENANT}/{ADA}", ADA, "operator", "key") == await known.authenticate(without_type)


async def test_a_name_that_cannot_be_printed_is_not_shown(known: EntraAuthenticator, issuer: Issuer) -> None:
    token = issuer.token(roles=["Run.All"], preferred_username="a\x1b[2J\nadmin", name="A" * 900)

    assert "A" * 200 == (await caller(known, token)).name


async def test_a_scope_carries_a_role_where_that_is_configured(issuer: Issuer, clock: FakeClock) -> None:
    known = EntraAuthenticator(issuer.acceptance(scopes={"Run": "operator"}), clock)

    assert "operator" == (await caller(known, issuer.token(scp="Other Run"))).role
    assert "admin" == (await caller(known, issuer.token(scp="Run", roles=["Everything"]))).role
    with pytest.raises(Forbidden):
        await known.authenticate(issuer.token(scp="Running Ru run"))


# Known, but without a role


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"roles": []},
        {"roles": ["run.all"]},
        {"roles": "Run.All"},
        {"roles": {"Run.All": "Run.All"}},
        {"roles": [["Run.All"]]},
        {"roles": ["Run.All "]},
        {"scp": "Run.All"},
        {"scp": "Everything", "roles": None},
        {"wids": ["Everything"], "groups": ["Everything"]},
    ],
)
async def test_without_a_mapped_role_the_answer_is_403_and_never_viewer(
    serve: Serve, known: EntraAuthenticator, issuer: Issuer, claims: dict[str, Any]
) -> None:
    client = await serve(ROUTES, role=None, authenticators=[known])
    answer = await client.get("/public-api/me", headers=bearer(issuer.token(**claims)))

    assert 403 == answer.status
    assert "no_role" == (await answer.json())["error"]["code"]


# Whom nobody knows

Forgery = Callable[[Issuer], str]


def hs256_with_the_public_key(issuer: Issuer) -> str:
    """The classical mix-up: the public key, which everybody has, taken as the secret of an HMAC."""
    head, body, _ = unsigned(issuer.claims(roles=["Everything"]), {"alg": "HS256", "kid": "first"}).split(".")
    pem = rsa_key("first").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = hmac.digest(pem, f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}." + unsigned(0, 0, signature).split(".")[2]


def with_a_key_of_its_own(issuer: Issuer) -> str:
    """The header of a token is written by whoever made it."""
    headers = {"jwk": jwk("forged"), "x5c": ["MIIC"], "jku": f"{issuer.url}/forged", "x5u": issuer.url}
    return issuer.token(**EVERYTHING, key="forged", kid="first", headers=headers)


def with_another_body(issuer: Issuer) -> str:
    head, _, signature = issuer.token(roles=["Read.All"]).split(".")
    return f"{head}.{unsigned(issuer.claims(roles=['Everything']), {}).split('.')[1]}.{signature}"


def at(issuer: Issuer, **offsets: float) -> str:
    now = issuer.claims()["iat"]
    return issuer.token(roles=["Run.All"], **{name: now + offset for name, offset in offsets.items()})


def deep(issuer: Issuer) -> str:
    """Correctly signed, and nested deeper than is read."""
    return sign_text('{"tid": "' + TENANT + '", "roles": ' + "[" * 1500 + "]" * 1500 + "}")


EVERYTHING = {"roles": ["Everything"]}
REFUSED: dict[str, tuple[Forgery, str]] = {  # what, how, and why the log says it was
    "alg none": (lambda i: unsigned(i.claims(**EVERYTHING), {"alg": "none", "kid": "first"}), "signed with 'none'"),
    "alg NONE": (lambda i: unsigned(i.claims(**EVERYTHING), {"alg": "NONE", "kid": "first"}, b"x"), "'NONE'"),
    "no alg": (lambda i: unsigned(i.claims(**EVERYTHING), {"kid": "first"}), "signed with None"),
    "no signature": (lambda i: unsigned(i.claims(**EVERYTHING), {"alg": "RS256", "kid": "first"}), "signature"),
    "HS256 with the public key": (hs256_with_the_public_key, "signed with 'HS256'"),
    "RS512": (lambda i: i.token(**EVERYTHING, headers={"alg": "RS512"}), "signed with 'RS512'"),
    "PS256": (lambda i: i.token(**EVERYTHING, headers={"alg": "PS256"}), "signed with 'PS256'"),
    "a list of algs": (lambda i: unsigned(i.claims(), {"alg": ["RS256"], "kid": "first"}), "signed with"),
    "somebody else's key": (lambda i: i.token(**EVERYTHING, key="forged", kid="first"), "signature is wrong"),
    "a key in the header": (with_a_key_of_its_own, "signature is wrong"),
    "another body": (with_another_body, "signature is wrong"),
    "no key named": (lambda i: unsigned(i.claims(), {"alg": "RS256"}), "names no key"),
    "a key named by a number": (lambda i: unsigned(i.claims(), {"alg": "RS256", "kid": 1}), "not a signed token"),
    "a long name of a key": (lambda i: i.token(**EVERYTHING, kid="k" * 300), "names no key"),
    "an unknown critical header": (lambda i: i.token(**EVERYTHING, headers={"crit": ["x"], "x": 1}), "not a signed"),
    "a detached body": (lambda i: unsigned({}, {"alg": "RS256", "crit": ["b64"], "b64": False}), "not a signed"),
    "another tenant": (lambda i: i.token(tid=STRANGER, **EVERYTHING), "not in auth.entra.tenants"),
    "no tenant": (lambda i: sign({**i.claims(**EVERYTHING), "tid": None}), "the tenant is missing"),
    "a list of tenants": (lambda i: sign({**i.claims(**EVERYTHING), "tid": [TENANT]}), "the tenant is ['"),
    "another tenant's issuer": (lambda i: i.token(iss=f"{i.url}/{STRANGER}/v2.0", **EVERYTHING), "come from"),
    "the sister's issuer": (lambda i: i.token(iss=f"{i.url}/{SISTER}/v2.0", **EVERYTHING), "does not come from"),
    "a foreign issuer": (lambda i: i.token(iss="https://accounts.example.com", **EVERYTHING), "does not come from"),
    "an issuer with a tail": (lambda i: i.token(iss=f"{i.url}/{TENANT}/v2.0/", **EVERYTHING), "does not come from"),
    "no issuer": (lambda i: i.token(iss=None, **EVERYTHING), "does not come from missing"),
    "version 2 from the issuer of 1": (lambda i: i.token(version=1, ver="2.0", **EVERYTHING), "version '2.0' does"),
    "version 1 from the issuer of 2": (lambda i: i.token(ver="1.0", **EVERYTHING), "version '1.0' does not"),
    "no version": (lambda i: i.token(ver=None, **EVERYTHING), "version missing"),
    "a version that is a number": (lambda i: i.token(ver=2.0, **EVERYTHING), "version 2.0 does not"),
    "made out to another": (lambda i: i.token(aud=STRANGER, **EVERYTHING), "made out to"),
    "made out to us with a slash": (
        lambda i: i.token(aud=f"{APP_URI}/", **EVERYTHING),
        "by the slash at its end alone",
    ),
    "made out to us in capitals": (lambda i: i.token(aud=APP_URI.upper(), **EVERYTHING), "by capital letters alone"),
    "made out to Graph": (lambda i: i.token(aud="https://graph.microsoft.com", **EVERYTHING), "made out to"),
    "made out to many": (lambda i: i.token(aud=[CLIENT, STRANGER], **EVERYTHING), "made out to ['"),
    "made out to nobody": (lambda i: i.token(aud=None, **EVERYTHING), "made out to missing"),
    "no expiry": (lambda i: i.token(exp=None, **EVERYTHING), "exp is missing"),
    "an expiry that is text": (lambda i: i.token(exp="4102444800", **EVERYTHING), "exp is '4102444800'"),
    "an expiry that is true": (lambda i: i.token(exp=True, **EVERYTHING), "exp is True"),
    "no end of time": (lambda i: i.token(exp=float("inf"), **EVERYTHING), "nothing that can be read"),
    "expired": (lambda i: at(i, exp=-60), "it expired 60 s ago"),
    "not yet valid": (lambda i: at(i, nbf=61), "not valid yet"),
    "valid from a word on": (lambda i: i.token(nbf="now", **EVERYTHING), "nbf is 'now'"),
    "no object id": (lambda i: i.token(oid=None, **EVERYTHING), "oid is missing"),
    "an object id that is none": (lambda i: i.token(oid="../../admin", **EVERYTHING), "oid is '../../admin'"),
    "an object id that is a number": (lambda i: i.token(oid=7, **EVERYTHING), "oid is 7"),
    "an ID token": (lambda i: i.token(scp=None, azp=None, nonce="n", **EVERYTHING), "not an access token"),
    "claims that are a list": (lambda i: sign([i.claims()]), "nothing that can be read"),
    "claims that are no JSON": (lambda i: sign_text("{'tid'}"), "nothing that can be read"),
    "claims nested without end": (deep, "nothing that can be read"),
    "a header nested without end": (lambda i: f"{'W1tb' * 1300}.e30.eA", "not a signed token"),  # [[[ and so on
    "no base64": (lambda i: "ey!.ey!.!!", "not a signed token"),
    "two dots": (lambda i: "..", "not a signed token"),
}
NO_TOKENS = ["no dot", "one.dot", "four.parts.of.it", "a.b.c.d.e"]


@pytest.mark.parametrize("what", REFUSED)
async def test_it_is_refused(serve: Serve, known: EntraAuthenticator, issuer: Issuer, what: str) -> None:
    forge, reason = REFUSED[what]
    client = await serve(ROUTES, role=None, authenticators=[known])
    control = await client.get("/public-api/me", headers=bearer(issuer.token(**EVERYTHING)))
    with capture_logs() as lines:
        answer = await client.get("/public-api/me", headers=bearer(forge(issuer)))

    assert 200 == control.status
    assert 401 == answer.status
    assert "these credentials are not known, or no longer" == (await answer.json())["error"]["message"]
    assert reason in next(line["reason"] for line in lines if "reason" in line)


@pytest.mark.parametrize("text", NO_TOKENS)
async def test_what_is_no_token_is_somebody_elses_business(known: EntraAuthenticator, text: str) -> None:
    with capture_logs() as lines:
        found = await known.authenticate(text)

    assert found is None
    assert [] == lines


async def test_a_huge_token_is_refused_before_it_is_read(known: EntraAuthenticator, issuer: Issuer) -> None:
    token = issuer.token(roles=["Run.All"], groups=["g" * 36] * 400)

    assert len(token) > LONGEST_TOKEN
    assert await known.authenticate(token) is None
    assert 0 == issuer.fetches


async def test_a_huge_header_is_refused_and_a_large_one_is_not(
    serve: Serve, known: EntraAuthenticator, issuer: Issuer
) -> None:
    client = await serve(ROUTES, role=None, authenticators=[known])
    groups = [f"{number:036}" for number in range(200)]  # as many as Entra puts into a token
    large = await client.get("/public-api/me", headers=bearer(issuer.token(roles=["Run.All"], groups=groups)))
    huge = await client.get("/public-api/me", headers=bearer(issuer.token(roles=["Run.All"], groups=groups * 2)))

    assert 200 == large.status
    assert 431 == huge.status


@pytest.mark.parametrize("offset", [{"exp": -59}, {"nbf": 60}])
async def test_clocks_may_be_apart_by_the_leeway(
    known: EntraAuthenticator, issuer: Issuer, offset: dict[str, float]
) -> None:
    assert await known.authenticate(at(issuer, **offset))


async def test_a_token_is_out_the_moment_it_expires_however_often_it_was_good(
    known: EntraAuthenticator, issuer: Issuer, clock: FakeClock
) -> None:
    token = at(issuer, exp=30)
    seen = []
    for seconds in (59, 30.9, 0.1, 0):
        seen.append(await known.authenticate(token) is not None)
        await clock.advance(seconds)

    assert [True, True, True, False] == seen


async def test_a_token_that_was_checked_is_believed_for_a_minute_at_most(
    known: EntraAuthenticator, issuer: Issuer, clock: FakeClock
) -> None:
    token = issuer.token(roles=["Run.All"])
    await known.authenticate(token)
    issuer.served = ["second"]
    with pytest.raises(Unavailable):
        await known.authenticate(issuer.token(roles=["Run.All"], key="second"))  # within 30 s: not fetched
    await clock.advance(31)
    await known.authenticate(issuer.token(roles=["Run.All"], key="second"))
    meanwhile = await known.authenticate(token)
    await clock.advance(30)
    after = await known.authenticate(token)

    assert meanwhile is not None
    assert after is None


async def test_a_neighbour_of_a_believed_token_is_not_believed(known: EntraAuthenticator, issuer: Issuer) -> None:
    token = issuer.token(roles=["Run.All"])
    await known.authenticate(token)
    head, body, signature = token.split(".")
    forged = f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"

    assert await known.authenticate(forged) is None


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.text(alphabet=st.characters(max_codepoint=126)), min_size=3, max_size=3), header=st.data())
async def test_no_text_at_all_breaks_it(known: EntraAuthenticator, parts: list[str], header: st.DataObject) -> None:
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["alg", "kid", "tid"]), inner),
        max_leaves=6,
    )
    token = unsigned(header.draw(json_values), {"alg": "RS256", "kid": header.draw(json_values)}, b"x")

    assert await known.authenticate(".".join(parts)) is None
    assert await known.authenticate(token) is None


async def test_guesses_are_counted_like_those_of_keys(serve: Serve, known: EntraAuthenticator, issuer: Issuer) -> None:
    client = await serve(ROUTES, role=None, authenticators=[known])
    forged = bearer(issuer.token(roles=["Run.All"], key="forged", kid="first"))
    statuses = [(await client.get("/public-api/me", headers=forged)).status for _ in range(21)]

    assert [401] * 20 + [429] == statuses


async def test_the_log_says_why_and_never_the_token(known: EntraAuthenticator, issuer: Issuer) -> None:
    token = issuer.token(roles=["Run.All"], aud="https://other.example.com")
    with capture_logs() as lines:
        for _ in range(3):
            await known.authenticate(token)

    assert ["info", "debug", "debug"] == [line["log_level"] for line in lines]
    assert "made out to 'https://other.example.com'" in lines[0]["reason"]
    assert token not in str(lines)


# Keys


async def test_keys_are_fetched_once_for_many(known: EntraAuthenticator, issuer: Issuer, clock: FakeClock) -> None:
    tokens = [issuer.token(roles=["Run.All"], uti=str(number)) for number in range(20)]
    found = await asyncio.gather(*(known.authenticate(token) for token in tokens))

    assert None not in found
    assert 1 == issuer.fetches


async def test_a_token_of_nobody_causes_no_fetch(known: EntraAuthenticator, issuer: Issuer) -> None:
    await known.authenticate(issuer.token(tid=STRANGER, roles=["Run.All"]))
    await known.authenticate(REFUSED["alg none"][0](issuer))

    assert 0 == issuer.fetches


async def test_a_new_key_is_fetched_when_the_first_token_names_it(
    known: EntraAuthenticator, issuer: Issuer, clock: FakeClock
) -> None:
    await known.authenticate(issuer.token(roles=["Run.All"]))
    issuer.served = ["second", "first"]
    await clock.advance(30)
    found = await known.authenticate(issuer.token(roles=["Run.All"], key="second"))

    assert found is not None
    assert 2 == issuer.fetches


async def test_unknown_keys_cause_at_most_one_fetch_in_thirty_seconds(
    known: EntraAuthenticator, issuer: Issuer, clock: FakeClock
) -> None:
    await known.authenticate(issuer.token(roles=["Run.All"]))
    await clock.advance(30)
    counts = []
    for number in range(8):
        with suppress(Unavailable):
            await known.authenticate(issuer.token(roles=["Run.All"], key="forged", kid=f"k{number}"))
        counts.append(issuer.fetches)
        await clock.advance(9.9)

    assert [2, 2, 2, 2, 3, 3, 3, 3] == counts


async def test_a_key_that_may_be_new_is_asked_for_before_its_token_is_refused(
    serve: Serve, known: EntraAuthenticator, issuer: Issuer, clock: FakeClock
) -> None:
    client = await serve(ROUTES, role=None, authenticators=[known])
    await client.get("/public-api/me", headers=bearer(issuer.token(**EVERYTHING)))
    await clock.advance(10)
    issuer.served = ["second", "first"]
    tokens = [issuer.token(**EVERYTHING, key="second"), issuer.token(**EVERYTHING, kid="k")]
    too_soon = [await client.get("/public-api/me", headers=bearer(token)) for token in tokens]
    await clock.advance(20)
    asked = await asyncio.gather(*(client.get("/public-api/me", headers=bearer(token)) for token in tokens))
    await clock.advance(10)
    again = await client.get("/public-api/me", headers=bearer(tokens[1]))

    assert [(503, "20"), (503, "20")] == [(answer.status, answer.headers["Retry-After"]) for answer in too_soon]
    assert [200, 401] == [answer.status for answer in asked]
    assert 401 == again.status
    assert 2 == issuer.fetches


async def test_a_withdrawn_key_goes_without_a_token_that_names_a_new_one(
    known: EntraAuthenticator, issuer: Issuer, clock: FakeClock
) -> None:
    await known.authenticate(issuer.token(roles=["Run.All"]))
    issuer.served = ["second"]
    await clock.advance(12 * 3600)
    at_once = await known.authenticate(issuer.token(roles=["Run.All"]))

    async def is_out() -> bool:
        return await known.authenticate(issuer.token(roles=["Run.All"], uti=str(uuid4()))) is None

    assert at_once is not None
    assert await eventually(is_out)


OUTAGES = ["500", "redirect", "garbage", "list", "endless", "stranger", "elsewhere", "nothing"]


@pytest.mark.parametrize("outage", OUTAGES)
async def test_without_keys_nobody_is_told_that_he_is_unknown(
    serve: Serve, known: EntraAuthenticator, issuer: Issuer, clock: FakeClock, outage: str
) -> None:
    issuer.outage = outage
    client = await serve(ROUTES, role=None, authenticators=[known])
    headers = bearer(issuer.token(roles=["Run.All"]))
    first = await client.get("/public-api/me", headers=headers)
    await clock.advance(10)
    again = await client.get("/public-api/me", headers=headers)
    fetches = issuer.fetches
    issuer.outage = None
    await clock.advance(20)
    recovered = await client.get("/public-api/me", headers=headers)

    assert (503, "30") == (first.status, first.headers["Retry-After"])
    assert (503, "20") == (again.status, again.headers["Retry-After"])
    assert "identity_provider_unavailable" == (await first.json())["error"]["code"]
    assert 1 == fetches
    assert 200 == recovered.status


@pytest.mark.parametrize("outage", OUTAGES)
async def test_keys_that_are_known_stay_good_while_the_provider_is_down(
    known: EntraAuthenticator, issuer: Issuer, clock: FakeClock, outage: str
) -> None:
    await known.authenticate(issuer.token(roles=["Run.All"]))
    issuer.outage = outage
    await clock.advance(13 * 3600)
    old = await known.authenticate(issuer.token(roles=["Run.All"], uti="x"))
    with pytest.raises(Unavailable):
        await known.authenticate(issuer.token(roles=["Run.All"], key="second"))
    still = await known.authenticate(issuer.token(roles=["Run.All"], uti="y"))

    assert old is not None
    assert still is not None


async def test_a_provider_that_says_nothing_is_not_waited_for_long(issuer: Issuer, clock: FakeClock) -> None:
    issuer.outage = "silence"
    known = EntraAuthenticator(issuer.acceptance(), clock, fetch_timeout_seconds=0.05)

    with pytest.raises(Unavailable):
        await known.authenticate(issuer.token(roles=["Run.All"]))


async def test_closing_does_not_wait_for_a_silent_provider(issuer: Issuer, clock: FakeClock) -> None:
    known = EntraAuthenticator(issuer.acceptance(), clock, fetch_timeout_seconds=60)
    await known.authenticate(issuer.token(roles=["Run.All"]))
    issuer.outage = "silence"
    await clock.advance(13 * 3600)
    await known.authenticate(issuer.token(roles=["Run.All"]))  # asks beside the request
    await known.close()

    assert 1 == issuer.fetches


async def test_a_provider_that_nobody_listens_at_is_unavailable(clock: FakeClock) -> None:
    async with running_issuer(clock) as gone:
        pass
    known = EntraAuthenticator(gone.acceptance(), clock)

    with pytest.raises(Unavailable):
        await known.authenticate(gone.token(roles=["Run.All"]))


def _other(name: str, **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (jwk(name) | changes).items() if value is not None}


@pytest.mark.parametrize(
    "listed",
    [
        _other("odd", use="enc"),
        _other("odd", alg="RS512"),
        _other("odd", kty="EC"),
        _other("odd", n=None),
        _other("odd", n="!!"),
        _other("odd", e=7),
        _other("odd", kid=7),
        _other("odd", issuer=f"https://login.microsoftonline.com/{STRANGER}/v2.0"),
        _other("odd", issuer=["{tenantid}"]),
        jwk("weak", 1024) | {"kid": "odd"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "odd"},
        "odd",
        None,
    ],
)
async def test_keys_of_another_kind_are_passed_over(known: EntraAuthenticator, issuer: Issuer, listed: Any) -> None:
    issuer.more_keys = [listed]
    odd = await known.authenticate(issuer.token(roles=["Run.All"], key="odd"))
    usual = await known.authenticate(issuer.token(roles=["Run.All"]))

    assert odd is None
    assert usual is not None


# What a person may do


@pytest.fixture
async def people(serve: Serve, pool: Pool, clock: FakeClock, known: EntraAuthenticator) -> Client:
    return await serve(keys.routes(KeyOperations(pool, clock, "test")), role=None, authenticators=[known])


async def test_an_administrator_makes_a_key_and_stands_in_the_audit_trail(
    people: Client, pool: Pool, issuer: Issuer
) -> None:
    headers = bearer(issuer.token(roles=["Everything"]))
    answer = await people.post("/public-api/api-keys", json={"name": "ci", "role": "operator"}, headers=headers)
    made = (await answer.json())["data"]["api_key"]

    assert 201 == answer.status
    assert f"entra:{TENANT}/{ADA}" == made["created_by"]
    assert f"entra:{TENANT}/{ADA}" == await pool.fetchval("SELECT actor FROM audit_log")


@pytest.mark.parametrize(
    ("claims", "code"),
    [({"roles": ["Run.All"]}, "forbidden"), ({"roles": ["Everything"], "scp": None}, "keys_cannot_make_keys")],
)
async def test_operators_and_services_make_no_keys(
    people: Client, issuer: Issuer, claims: dict[str, Any], code: str
) -> None:
    headers = bearer(issuer.token(**claims))
    answer = await people.post("/public-api/api-keys", json={"name": "ci", "role": "operator"}, headers=headers)

    assert 403 == answer.status
    assert code == (await answer.json())["error"]["code"]


async def test_each_person_has_a_limit_of_his_own(serve: Serve, known: EntraAuthenticator, issuer: Issuer) -> None:
    client = await serve(ROUTES, role=None, authenticators=[known])
    claims = ({}, {"uti": "another token"}, {"oid": "aaaaaaaa-0000-4000-8000-000000000002"})
    tokens = [issuer.token(roles=["Run.All"], **more) for more in claims]
    answers = [await client.get("/public-api/me", headers=bearer(token)) for token in tokens]

    assert ["1199", "1198", "1199"] == [answer.headers["X-RateLimit-Remaining"] for answer in answers]
