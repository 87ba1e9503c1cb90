"""`keys`, `migrate` and `config` go to the database themselves, whatever state it is in."""

from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import orjson
import pytest


@pytest.fixture
def config(tmp_path: Path, empty_dsn: str) -> str:
    """A configuration on a database without any table."""
    file = tmp_path / "backfilld.toml"
    file.write_text(f'[database]\ndsn = "{empty_dsn}"\n[auth]\nkey_environment = "test"\n')
    return str(file)


async def test_the_first_key_is_made_before_the_first_start(backfilld, config, empty_dsn):
    ended = await backfilld(
        "keys", "create", "--config", config, "--name", "ci", "--role", "operator", "--expires",
        "2099-01-01T02:00:00+02:00", "--json",
    )  # fmt: skip
    connection = await asyncpg.connect(empty_dsn)
    row = await connection.fetchrow("SELECT id::text, name, role FROM api_keys")
    await connection.close()

    assert 0 == ended.code, ended.err
    assert {"id", "key", "name", "role", "expires_at"} == set(ended.json)
    assert ended.json["key"].startswith("neo_sk_test_")
    assert "2099-01-01T00:00:00Z" == ended.json["expires_at"]
    assert (ended.json["id"], "ci", "operator") == tuple(row)


async def test_which_database_was_meant_is_told(backfilld, config, empty_dsn):
    ended = await backfilld("keys", "list", "--config", config)

    assert f"database: local socket{urlsplit(empty_dsn).path}\n" in ended.err


async def test_a_list_shows_no_key(backfilld, config):
    made = await backfilld("keys", "create", "--config", config, "--name", "ci", "--role", "viewer", "--json")
    listed = await backfilld("keys", "list", "--config", config, "--json")

    assert [made.json["id"]] == [key["id"] for key in listed.json["api_keys"]]
    assert made.json["key"] not in listed.out


async def test_a_key_is_named_by_the_beginning_of_its_id(backfilld, config):
    made = await backfilld("keys", "create", "--name", "me", "--role", "viewer", "--json", "--config", config)
    id = made.json["id"]
    ended = await backfilld("keys", "revoke", id[:8], "--config", config)
    unknown = await backfilld("keys", "revoke", "0000" if not id.startswith("0000") else "1111", "--config", config)
    nonsense = await backfilld("keys", "revoke", "me", "--config", config)

    assert (0, f"revoked me ({id})\n") == (ended.code, ended.out)
    assert (3, 2) == (unknown.code, nonsense.code)


async def test_a_revoked_key_says_so_in_the_list(backfilld, config):
    made = await backfilld("keys", "create", "--config", config, "--name", "ci", "--role", "viewer", "--json")
    ended = await backfilld("keys", "revoke", made.json["id"], "--config", config)
    listed = await backfilld("keys", "list", "--config", config, "--json")

    assert 0 == ended.code
    assert listed.json["api_keys"][0]["revoked_at"] is not None


async def test_revoking_a_key_that_there_is_not_is_not_found(backfilld, config):
    ended = await backfilld("keys", "revoke", "6f1c1d5e-0000-4000-8000-000000000001", "--config", config)

    assert 3 == ended.code


@pytest.mark.parametrize("expires", ["tomorrow", "2099-01-01T00:00:00", "d", "9999-12-31T23:59:59-14:00"])
async def test_an_expiry_that_cannot_be_read_makes_no_key(backfilld, config, expires):
    ended = await backfilld(
        "keys", "create", "--config", config, "--name", "ci", "--role", "viewer", "--expires", expires
    )

    assert 2 == ended.code
    assert expires in ended.err


async def test_an_expiry_in_the_past_is_a_fault(backfilld, config):
    ended = await backfilld(
        "keys", "create", "--config", config, "--name", "ci", "--role", "viewer", "--expires", "2001-01-01T00:00:00Z"
    )

    assert 2 == ended.code
    assert "must lie after now" in ended.err


async def test_a_dry_run_of_migrate_changes_nothing(backfilld, config, empty_dsn):
    ended = await backfilld("migrate", "--dry-run", "--config", config, "--json")
    connection = await asyncpg.connect(empty_dsn)
    exists = await connection.fetchval("SELECT to_regclass('backfills') IS NOT NULL")
    await connection.close()

    assert "0001_entity_backfills" == ended.json["pending"][0]
    assert not exists


async def test_migrating_twice_changes_nothing_more(backfilld, config):
    first = await backfilld("migrate", "--config", config, "--json")
    second = await backfilld("migrate", "--config", config, "--json")

    assert "0001_entity_backfills" in first.json["applied"]
    assert {"applied": []} == second.json


async def test_keys_obey_a_setting_that_forbids_to_migrate(backfilld, config, monkeypatch):
    monkeypatch.setenv("BACKFILLD_DATABASE__MIGRATE_ON_START", "false")
    ended = await backfilld("keys", "list", "--config", config)

    assert 4 == ended.code
    assert "backfilld migrate" in ended.err


async def test_a_database_that_is_away_has_an_exit_code_of_its_own(backfilld, tmp_path, unused_tcp_port):
    file = tmp_path / "away.toml"
    file.write_text(f'[database]\ndsn = "postgresql://u:hunter2@127.0.0.1:{unused_tcp_port}/x"\n')
    ended = await backfilld("keys", "list", "--config", str(file))

    assert 7 == ended.code
    assert "hunter2" not in ended.err
    assert "Traceback" not in ended.err


async def test_a_good_configuration_is_all_right(backfilld, config):
    ended = await backfilld("config", "check", "--config", config)

    assert 0 == ended.code


async def test_a_bad_configuration_is_told_whole(backfilld, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[server]\nprot = 1\n[engine]\nmax_in_flight_limit = 0\n")
    ended = await backfilld("config", "check", "--config", str(file), "--json")

    assert 2 == ended.code
    assert 2 == len(ended.json["faults"])
    assert any("did you mean 'port'?" in fault for fault in ended.json["faults"])


async def test_a_bad_configuration_stops_the_other_commands_too(backfilld, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[server]\nprot = 1\n")
    ended = await backfilld("keys", "list", "--config", str(file), "--json")

    assert 2 == ended.code
    assert "invalid_config" == orjson.loads(ended.err)["error"]["code"]
