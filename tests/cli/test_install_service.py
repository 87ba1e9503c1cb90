"""The unit that this installation prints about itself."""

import os
from pathlib import Path

import pytest
from tests.systemd.unit_files import ROOT, last, parsed

from backfilld.cli.admin import install_service
from backfilld.cli.admin.install_service import CONFIG, DROP_IN, UNIT, hidden, rendered, this_program
from backfilld.cli.output.error_output import Failure

USUAL = Path("/opt/backfilld/current/bin/backfilld")


def test_for_the_usual_paths_it_is_the_unit_of_the_repository():
    expected = {name: (ROOT / "systemd" / name).read_text(encoding="utf-8") for name in (UNIT, DROP_IN)}

    assert expected == rendered(USUAL, CONFIG, embedded=True)
    assert {UNIT: expected[UNIT]} == rendered(USUAL, CONFIG)


def test_other_paths_stand_in_the_lines_that_start_it_and_check_the_file_and_nowhere_else():
    usual = rendered(USUAL, CONFIG)[UNIT].splitlines()
    other = rendered(Path("/srv/b/bin/backfilld"), Path("/etc/b.toml"))[UNIT].splitlines()

    assert [
        "ExecStart=/srv/b/bin/backfilld serve --config /etc/b.toml",
        "ExecReload=+/srv/b/bin/backfilld config check --config /etc/b.toml",
    ] == [line for line, same in zip(other, usual, strict=True) if line != same]


@pytest.mark.parametrize(
    ("path", "written"),
    [("/a b/x", '"/a b/x"'), ("/100%/x", "/100%%/x"), ("/a$b/x", "/a$$b/x"), ('/a"b/x', '"/a\\"b/x"')],
)
def test_what_means_something_to_systemd_is_escaped(path, written):
    unit = parsed(rendered(USUAL, Path(path))[UNIT])

    assert last(unit, "ExecStart").endswith(f"--config {written}")


def test_a_line_break_in_a_path_is_refused():
    with pytest.raises(Failure, match="cannot stand in a unit"):
        rendered(USUAL, Path("/etc/x\nUser=root"))


def test_a_user_of_ones_own_takes_the_place_of_the_dynamic_one():
    unit = parsed(rendered(USUAL, CONFIG, user="backfills")[UNIT])

    assert ["backfills"] == unit["User"]
    assert "DynamicUser" not in unit


@pytest.mark.parametrize("name", ["", "a b", "x\nExecStart=/bin/sh", "%u"])
def test_what_is_no_name_of_a_user_is_refused(name):
    with pytest.raises(Failure, match="no name of a user"):
        rendered(USUAL, CONFIG, user=name)


async def test_print_prints_and_changes_nothing(backfilld, tmp_path):
    ended = await backfilld("install-service", "--print", "--embedded", "--config", str(tmp_path / "b.toml"))
    unit = parsed(ended.out)

    assert 0 == ended.code
    assert last(unit, "ExecStart").endswith(f"/bin/backfilld serve --config {tmp_path}/b.toml")
    assert [] == unit["LoadCredential"]


async def test_it_warns_of_paths_that_the_service_does_not_see(backfilld):
    ended = await backfilld("install-service", "--print", "--config", "/root/b.toml")

    assert "the service does not see /root/b.toml" in ended.err


def test_a_link_into_a_closed_folder_is_seen_through(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("/root/venv")

    assert "/root" in hidden(link) or "/tmp" in hidden(link)  # noqa: S108  # where pytest puts tmp_path
    assert hidden(USUAL) is None


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.touch(mode=0o755)
    return path


def test_it_starts_the_command_that_was_called_with_its_links_as_they_are(tmp_path):
    called = executable(tmp_path / "0.1.0/bin/backfilld")
    (tmp_path / "current").symlink_to("0.1.0")

    assert tmp_path / "current/bin/backfilld" == this_program(f"{tmp_path}/current/bin/backfilld", Path("/x/python"))
    assert called == this_program("/usr/lib/backfilld/__main__.py", called.with_name("python3"))


def test_without_a_command_it_says_so(tmp_path):
    with pytest.raises(Failure, match="no command `backfilld` beside"):
        this_program("/usr/lib/backfilld/__main__.py", tmp_path / "python3")


class TestWriting:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(install_service, "FOLDER", tmp_path / "system")
        return tmp_path / "system"

    def write(self, units, **how):
        install_service.write(install_service.FOLDER, units, **{"force": False} | how)

    def test_the_units_are_written_for_all_to_read(self, folder):
        units = rendered(USUAL, CONFIG, embedded=True)
        self.write(units)

        assert units == {name: (folder / name).read_text() for name in units}
        assert 0o644 == os.stat(folder / UNIT).st_mode & 0o777

    def test_the_same_again_is_fine_and_anything_else_is_kept(self, folder):
        self.write({UNIT: "theirs"})
        self.write({UNIT: "theirs"})
        with pytest.raises(Failure, match="--force"):
            self.write({DROP_IN: "new", UNIT: "ours"})

        assert "theirs" == (folder / UNIT).read_text()
        assert not (folder / DROP_IN).exists()

    def test_force_writes_over_it(self, folder):
        self.write({UNIT: "theirs"})
        self.write({UNIT: "ours"}, force=True)

        assert "ours" == (folder / UNIT).read_text()

    async def test_a_drop_in_of_earlier_is_pointed_out(self, folder, backfilld, tmp_path, monkeypatch):
        monkeypatch.setattr("sys.argv", [str(executable(tmp_path / "bin/backfilld"))])
        await backfilld("install-service", "--embedded")
        ended = await backfilld("install-service", "--force")

        assert f"{folder / DROP_IN} still makes the database embedded" in ended.err
        assert "ExecStart=" in (folder / UNIT).read_text()
