"""A server that others can reach is never started in the clear, and its certificate is tried before it is needed."""

from pathlib import Path

import pytest
from tests.support.targets import CERTIFICATE

from backfilld.cli.main import cli
from backfilld.config import Settings, check, load_settings

RENEWED = Path(__file__).parent / "support" / "renewed.pem"


@pytest.fixture
def written(tmp_path):
    def write(text):
        file = tmp_path / "c.toml"
        file.write_text(text)
        return file

    return write


def fault_of(file):
    found = check(file, {})
    assert 1 == len(found), found

    return found[0].removeprefix(f"{file.parent}/")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "backfilld.example.com"])  # noqa: S104  # refused
def test_a_server_that_others_can_reach_in_the_clear_is_refused(written, host):
    fault = fault_of(written(f'[server]\nhost = "{host}"'))

    assert fault.startswith("c.toml:1: server: others could reach")
    assert all(remedy in fault for remedy in ("tls_certificate_file", "trusted_proxies", "host = '127.0.0.1'"))


def test_the_command_that_checks_refuses_it_too(written, capsys):
    with pytest.raises(SystemExit) as ended:
        cli(["config", "check", "--config", str(written('[server]\nhost = "0.0.0.0"'))], prog_name="backfilld")

    assert 2 == ended.value.code
    assert "trusted_proxies" in capsys.readouterr().err


@pytest.mark.parametrize(
    "remedy", ['trusted_proxies = ["10.0.3.7"]', f'tls_certificate_file = "{CERTIFICATE}"', 'host = "127.0.0.1"']
)
def test_each_remedy_that_is_named_helps(written, remedy):
    host = "" if "host" in remedy else 'host = "0.0.0.0"\n'

    assert [] == check(written(f"[server]\n{host}{remedy}"), {})


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('tls_certificate_file = "missing.pem"', "tls_certificate_file", "missing.pem cannot be read"),
        (f'tls_certificate_file = "{CERTIFICATE}"\ntls_key_file = "x.key"', "tls_certificate_file", "x.key cannot be"),
        (f'tls_certificate_file = "{CERTIFICATE}"\ntls_key_file = "{RENEWED}"', "tls_certificate_file", "not belong"),
        ('tls_certificate_file = "empty.pem"', "tls_certificate_file", "a certificate with its chain"),
        ('tls_certificate_file = "locked.pem"', "tls_certificate_file", "encrypted"),
        (f'tls_key_file = "{CERTIFICATE}"', "server", "no tls_certificate_file"),
        ('trusted_proxies = ["10.0.3.7/24"]', "trusted_proxies[0]", "has host bits set"),
        ('trusted_proxies = ["proxy.example.com"]', "trusted_proxies[0]", "such as '10.0.0.0/24'"),
        ('trusted_proxies = ["127.0.0.1", "::/0"]', "trusted_proxies[1]", "takes everybody for a proxy"),
        ('forwarded_header = "X-Real-IP"', "forwarded_header", "x-forwarded-for, forwarded"),
        ('public_url = "https://b.example.com/?a=1"', "public_url", "query"),
    ],
)
def test_what_is_wrong_is_said_in_words(written, tmp_path, text, key, words):
    (tmp_path / "empty.pem").write_text("")
    certificate = CERTIFICATE.read_text()
    certificate = certificate[certificate.index("-----BEGIN CERT") : certificate.index("-----END CERT")]
    (tmp_path / "locked.pem").write_text(f"{certificate}-----END CERTIFICATE-----\n{LOCKED}")
    fault = fault_of(written(f"[server]\n{text}"))

    assert key in fault
    assert words in fault


def test_addresses_and_networks_are_proxies():
    server = load_settings(None, {"BACKFILLD_SERVER__TRUSTED_PROXIES": '["127.0.0.1", "10.0.3.0/24"]'}).server

    assert ["127.0.0.1/32", "10.0.3.0/24"] == [str(network) for network in server.proxies]


def test_a_certificate_may_bring_its_key_along():
    settings = Settings.model_validate({"server": {"tls_certificate_file": CERTIFICATE}})

    assert settings.server.read_tls() is not None
    assert Settings().server.read_tls() is None


LOCKED = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgR7ztKlVQKewICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEHZSXZly/va67O5cYFX8uHgEgZB+
c+QcVOeiUACyKHclzqNWtA8KiIyIHnr0KOmJz10di244nWmRuEMAxjAD7WdysH3Y
F2M6JZ4jmgvIoG3E87zriBtWAY6k9HEPKLcmQV2PWa7T1lcY9tCgWvCta5U18ACX
rv0XW2h8fOtwMdA6k8ir8EmnsIXLEBwFQ6iEW3cq9B/xFs9qpu4SPCG0Mjm8oy4=
-----END ENCRYPTED PRIVATE KEY-----
"""
