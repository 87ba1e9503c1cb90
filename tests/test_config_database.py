"""What the settings of the database make of it: an address, with trust, a schema, and a way around poolers."""

from pathlib import Path

import pytest

from backfilld.config import ConfigError, load_settings
from backfilld.store.connection.address import Address

CA = Path(__file__).parent / "executors" / "self_signed.pem"
DSN = "postgresql://u:tiger@db:5433/x"


def database(**settings: str):
    return load_settings(
        None, {f"BACKFILLD_DATABASE__{name.upper()}": value for name, value in settings.items()}
    ).database


def faults(**settings: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        database(**settings)
    return [str(fault) for fault in refused.value.faults]


def test_a_bare_dsn_is_the_whole_address():
    assert Address(DSN) == database(dsn=DSN).read_address() == database(dsn=DSN).read_direct_address()


def test_people_are_shown_no_password():
    address = database(dsn=DSN).read_address()

    assert "db:5433/x" == address.name
    assert "tiger" not in repr(address)


def test_a_ca_means_that_everything_is_verified_whatever_the_dsn_says():
    for query in ("", "?sslmode=require", "?sslmode=disable&sslrootcert=/elsewhere"):
        dsn = database(dsn=DSN + query, ca_file=str(CA)).read_address().dsn

        assert f"{DSN}?sslmode=verify-full&sslrootcert={str(CA).replace('/', '%2F')}" == dsn


def test_other_parameters_of_a_dsn_stay_beside_a_ca():
    assert "&" in database(dsn=DSN + "?target_session_attrs=read-write", ca_file=str(CA)).read_address().dsn


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("no certificate", "expected there")])
def test_a_ca_that_is_none_is_a_fault(tmp_path, content, said):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    (fault,) = faults(dsn=DSN, ca_file=str(file))

    assert "database.ca_file" in fault
    assert said in fault


def test_a_schema_is_a_plain_name():
    assert Address(DSN, "neo_1") == database(dsn=DSN, schema_name="neo_1").read_address()
    assert "schema_name" in faults(dsn=DSN, schema_name='a"; DROP SCHEMA public')[0]


def test_behind_a_pooler_there_is_a_direct_way_or_none():
    direct = "postgresql://u@db:5432/x"
    settings = database(dsn=DSN, pooled="true", direct_dsn=direct, schema_name="neo")
    without = database(dsn=DSN, pooled="true", migrate_on_start="false")

    assert Address(DSN, "neo", pooled=True) == settings.read_address()
    assert Address(direct, "neo") == settings.read_direct_address()
    assert without.read_direct_address() is None


def test_behind_a_pooler_migrations_need_a_way_around_it():
    assert "direct_dsn" in faults(dsn=DSN, pooled="true")[0]


def test_what_is_for_external_databases_wants_one():
    assert "set a DSN" in faults(pooled="true", migrate_on_start="false")[0]


TWO = "postgresql://u:tiger@a:5432,b:5433/x"


def test_two_servers_make_an_address_of_the_one_that_takes_changes():
    address = database(dsn=TWO, pooled="true", direct_dsn=TWO).read_direct_address()

    assert "a:5432,b:5433/x" == address.name
    assert f"{TWO}?target_session_attrs=read-write" == address.dsn == database(dsn=TWO).read_address().dsn


@pytest.mark.parametrize("query", ["?target_session_attrs=read-write", "?target_session_attrs=any"])
def test_which_server_is_meant_may_be_said(query):
    assert TWO + query == database(dsn=TWO + query).read_address().dsn
    assert "verify-full" in database(dsn=TWO + query, ca_file=str(CA)).read_address().dsn


@pytest.mark.parametrize("attribute", ["standby", "read-only", "prefer-standby", "raed-write"])
def test_a_server_that_takes_no_changes_is_not_asked_for(attribute):
    (fault,) = faults(dsn=f"{TWO}?target_session_attrs={attribute}")

    assert "database.dsn: target_session_attrs must be read-write, primary or any" in fault
    assert "tiger" not in fault


@pytest.mark.parametrize("hosts", ["a:x,b", "a:1,b:99999", "a,,b", "[::1", "℀.example"])
def test_servers_that_are_none_are_a_fault_that_shows_no_password(hosts):
    (fault,) = faults(dsn=f"postgresql://u:tiger@{hosts}/x")

    assert "database.dsn" in fault
    assert "tiger" not in fault
