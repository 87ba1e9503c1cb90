"""What is no fault of a configuration and should not stay so is told: by the check, at start, and on SIGHUP."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from backfilld.cli.main import cli
from backfilld.config import cautions_of, load_settings
from backfilld.config.certificate_dates import Validity, validities_in

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
KEY = generate_private_key(SECP256R1())


def certificate(begins: datetime, ends: datetime) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "b.example.com")])
    made = x509.CertificateBuilder(name, name, KEY.public_key(), x509.random_serial_number(), begins, ends)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(KEY, SHA256()).public_bytes(Encoding.PEM).decode()


def good_from_to(begins_in_days: float, ends_in_days: float) -> str:
    return certificate(NOW + timedelta(days=begins_in_days), NOW + timedelta(days=ends_in_days))


PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
GOOD = good_from_to(-10, 80)


def cautions(folder: Path, pem: str, mode: int = 0o600, text: str = "") -> list[str]:
    (folder / "tls.pem").write_text(pem + PRIVATE)
    (folder / "tls.pem").chmod(mode)
    file = folder / "c.toml"
    file.write_text('[server]\ntls_certificate_file = "tls.pem"\n' + text)
    return [line.replace(f"{folder}/", "") for line in cautions_of(load_settings(file, {}), NOW)]


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (datetime(1999, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)),
        (datetime(2051, 7, 1, 1, 2, 3, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_the_dates_of_a_certificate_are_read_in_both_of_their_spellings(tmp_path, begins, ends):
    file = tmp_path / "x.pem"
    file.write_text(f"{PRIVATE}# mine\n{certificate(begins, ends)}{GOOD}")

    assert Validity(begins, ends) == validities_in(file)[0]
    assert 2 == len(validities_in(file))


def test_what_is_no_certificate_has_no_dates(tmp_path):
    file = tmp_path / "x.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n" + PRIVATE)

    assert () == validities_in(file)


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (GOOD, None),
        (good_from_to(-90, -1), "the certificate in tls.pem has expired on 2027-02-28 12:00 UTC"),
        (good_from_to(-90, 0), "the certificate in tls.pem has expired on 2027-03-01 12:00 UTC"),
        (good_from_to(-90, 13), "the certificate in tls.pem expires on 2027-03-14 12:00 UTC"),
        (good_from_to(-90, 14), None),
        (good_from_to(1, 90), "the certificate in tls.pem is not valid before 2027-03-02 12:00 UTC; does this"),
        (GOOD + good_from_to(-90, -1), "certificate 2 of its chain in tls.pem has expired on 2027-02-28"),
    ],
)  # fmt: skip
def test_a_certificate_that_runs_out_is_warned_of(tmp_path, pem, words):
    found = cautions(tmp_path, pem)

    assert (1 if words else 0) == len(found)
    assert all(line.startswith(f"server.tls_certificate_file: {words}") for line in found)


def test_a_key_and_a_secret_that_everybody_may_read_are_warned_of(tmp_path):
    for name in ("dsn", "open", "closed"):
        (tmp_path / name).write_text("postgresql://u:tiger@h/x")
        (tmp_path / name).chmod(0o600 if name == "closed" else 0o644)
    text = '[database]\ndsn_file = "dsn"\n[secrets]\na = { file = "open" }\nb = { file = "closed" }\n'

    assert [
        "server.tls_certificate_file: everybody on this machine may read tls.pem: `chmod o-r tls.pem`",
        "database.dsn_file: everybody on this machine may read dsn: `chmod o-r dsn`",
        "secrets.a.file: everybody on this machine may read open: `chmod o-r open`",
    ] == cautions(tmp_path, GOOD, 0o644, text)


@pytest.mark.parametrize(("pem", "count"), [(GOOD, 0), (good_from_to(-90, -1), 1), (good_from_to(-90, -1) + GOOD, 0)])
def test_an_authority_is_told_of_when_nothing_of_it_is_good_any_more(tmp_path, pem, count):
    (tmp_path / "ca.pem").write_text(pem)
    text = '[database]\ndsn = "postgresql://u@h/x"\nca_file = "ca.pem"\n'
    found = cautions(tmp_path, GOOD, text=text)

    assert count == len(found), found
    assert all("every certificate in ca.pem has expired" in line for line in found)


def test_the_check_shows_warnings_and_is_content(tmp_path, capsys):
    cautions(tmp_path, certificate(NOW - timedelta(days=9000), NOW - timedelta(days=8000)))
    for more in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            cli(["config", "check", "--config", str(tmp_path / "c.toml"), *more], prog_name="backfilld")
        assert 0 == ended.value.code
    printed = capsys.readouterr()

    assert printed.err.startswith("Warning: server.tls_certificate_file: the certificate in ")
    assert "is all right." in printed.out
    assert 1 == len(json.loads(printed.out.splitlines()[-1])["warnings"])
