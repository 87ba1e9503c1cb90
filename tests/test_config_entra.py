"""`[auth.entra]`: nothing is half configured, and what is missing is said before anybody tries to sign in."""

import sys

import pytest

from backfilld.config import check, load_settings

CLIENT = "0f4f5d0b-8a5e-4c3e-9a54-3c7b6f2f0a11"
TENANT = "6a1d2b6e-53c9-4a0c-8f6e-0d7c3f1b2e90"
WHOLE = f'[auth.entra]\nclient_id = "{CLIENT}"\ntenants = ["{TENANT.upper()}"]\nroles = {{ "Run.All" = "operator" }}\n'


@pytest.fixture
def faults(tmp_path):
    def find(text: str, environ: dict[str, str] | None = None) -> list[str]:
        (tmp_path / "c.toml").write_text(text)
        return check(tmp_path / "c.toml", environ or {})

    return find


def test_without_the_section_nobody_of_entra_is_let_in():
    assert load_settings(None, {}).auth.entra is None


def test_ids_are_known_in_any_case_and_the_usual_uri_is_the_default(tmp_path):
    (tmp_path / "c.toml").write_text(WHOLE)
    entra = load_settings(tmp_path / "c.toml", {}).auth.entra

    assert (TENANT,) == entra.tenants
    assert {CLIENT, f"api://{CLIENT}"} == entra.accepted_audiences
    assert {"Run.All": "operator"} == entra.roles
    assert {} == entra.scopes


def test_audiences_that_are_written_replace_the_usual_one(tmp_path):
    (tmp_path / "c.toml").write_text(WHOLE + 'audiences = ["https://backfill.example.com"]')
    entra = load_settings(tmp_path / "c.toml", {}).auth.entra

    assert {CLIENT, "https://backfill.example.com"} == entra.accepted_audiences


def test_everything_can_come_from_the_environment():
    environ = {
        "BACKFILLD_AUTH__ENTRA__CLIENT_ID": CLIENT,
        "BACKFILLD_AUTH__ENTRA__TENANTS": f'["{TENANT}"]',
        "BACKFILLD_AUTH__ENTRA__ROLES": '{ "Run.All" = "operator" }',
        "BACKFILLD_AUTH__ENTRA__AUTHORITY": "https://login.microsoftonline.us/",
    }
    entra = load_settings(None, environ).auth.entra

    assert "https://login.microsoftonline.us" == entra.authority
    assert {"Run.All": "operator"} == entra.roles


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (WHOLE.replace("client_id", "#"), "auth.entra.client_id: is required"),
        (WHOLE.replace("tenants", "#"), "auth.entra.tenants: is required"),
        (WHOLE.replace(f'"{TENANT.upper()}"', ""), "auth.entra: lets nobody in: name a directory in tenants"),
        (WHOLE.replace(TENANT.upper(), "common"), "auth.entra.tenants[0]: must be an id like"),
        (WHOLE.replace("roles", "#"), "auth.entra: lets nobody in: name app roles in roles"),
        (WHOLE.replace("operator", "operater"), "did you mean 'operator'?"),
        (WHOLE + "leeway_seconds = 3600", "auth.entra.leeway_seconds: must be less than or equal to 300"),
        (WHOLE + 'authority = "http://login.example.com"', "auth.entra.authority: must start with https://"),
        (WHOLE + 'authority = "https://login.example.com?x"', "must not carry a query"),
        (WHOLE + 'tennants = ["x"]', "auth.entra.tennants: unknown key; did you mean 'tenants'?"),
    ],
)
def test_nonsense_is_refused(faults, text, fault):
    found = faults(text)

    assert 1 == len(found), found
    assert fault in found[0]


@pytest.mark.parametrize("package", ["jwt", "cryptography"])
def test_a_missing_extra_is_named(faults, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    found = faults(WHOLE)

    assert 1 == len(found)
    assert f"auth.entra: needs the extra 'entra' ({package} missing): pip install 'backfilld[entra]'" in found[0]


def test_the_extra_is_not_needed_without_the_section(faults, monkeypatch):
    monkeypatch.setitem(sys.modules, "jwt", None)

    assert [] == faults("")


def test_a_client_secret_that_there_is_not_is_named(faults):
    found = faults(WHOLE + 'client_secret = { secret = "entre" }\n[secrets.entra]\nvalue = "x"\n')

    assert any("auth.entra.client_secret.secret: there is no secret 'entre'" in one for one in found), found
