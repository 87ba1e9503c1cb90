"""The example is the reference: it holds every setting, with its true default, and it is valid as it stands."""

import re
import tomllib
from pathlib import Path

from backfilld.config import Settings, load_settings
from backfilld.config.example import render
from backfilld.config.tree import model_at

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
WRITE_IT = "write it anew: python -m backfilld.config.example > config.example.toml"


def in_force(text: str) -> str:
    """The example with every # in front of a key or table removed."""
    return re.sub(r"^#(?=[a-z\[])", "", text, flags=re.MULTILINE)


def test_it_is_what_the_model_says():
    assert render() == EXAMPLE.read_text(encoding="utf-8"), WRITE_IT


def test_as_it_stands_it_changes_nothing():
    assert load_settings(None, {}) == load_settings(EXAMPLE, {})


def test_every_setting_is_in_it_with_its_default():
    written = tomllib.loads(in_force(EXAMPLE.read_text(encoding="utf-8")))
    for section in Settings.model_fields:
        for key, field in (model.model_fields if (model := model_at(Settings, (section,))) else {}).items():
            default = field.get_default(call_default_factory=True)
            default = list(default) if isinstance(default, tuple) else default

            assert key in written[section]
            assert default is None or str(default) == str(written[section][key]) or default == written[section][key]


def test_every_setting_says_what_it_is_for():
    silent = [
        f"{section}.{key}"
        for section in Settings.model_fields
        if (model := model_at(Settings, (section,)))
        for key, field in model.model_fields.items()
        if not field.description
    ]

    assert [] == silent


def test_its_examples_are_valid(tmp_path):
    text = in_force(EXAMPLE.read_text(encoding="utf-8"))
    for not_here in ('dsn_file = "', 'file = "crm', r'tls_\w+ = "', 'ca_file = "'):
        text = re.sub(rf"^{not_here}.*$", "", text, flags=re.MULTILINE)
    file = tmp_path / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    settings = load_settings(file, {})

    assert "classify" == settings.workflows[0].name
    assert {"priority": "integer", "closed_at": "date"} == settings.entity_types["ticket"].fields
