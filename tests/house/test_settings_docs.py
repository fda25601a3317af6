"""`.env.example` and `settings.py` say the same."""

import re
from dataclasses import fields

from consilium.settings import Settings, variable
from tests.conftest import ROOT


def listed() -> dict[str, str]:
    """Variable -> the comment over it."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return {name: meaning for meaning, name in re.findall(r"^# (.+)\n#(CONSILIUM_\w+)=", text, re.MULTILINE)}


def test_every_setting_stands_in_the_example_with_its_meaning():
    ours = {name: meaning for name, meaning in listed().items() if name not in media_settings()}
    assert ours == {variable(one.name): one.metadata["meaning"] for one in fields(Settings)}


def media_settings() -> set[str]:
    """What the media worker reads by itself; where it reads a setting of ours too, that one is ours."""
    source = (ROOT / "media" / "__main__.py").read_text(encoding="utf-8")
    options = re.findall(r"default\(\"([a-z-]+)\"", source)
    assert options
    named = {"CONSILIUM_MEDIA_" + option.upper().replace("-", "_") for option in options}
    return named - {variable(one.name) for one in fields(Settings)}


def test_every_setting_of_a_media_worker_stands_in_the_example():
    assert media_settings() - set(listed()) == set()


def test_the_example_sets_no_secret():
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.search(r"^#CONSILIUM_SECRET_KEY=$", text, re.MULTILINE)


def test_every_default_in_the_example_is_the_real_one(tmp_path):
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    values = dict(re.findall(r"^#(CONSILIUM_\w+)=(.+)$", text, re.MULTILINE))
    folders = {name for name in values if name.endswith(("_DIR", "_URL", "_CONTROLS", "_ORIGIN"))}
    given = {name: value for name, value in values.items() if name not in folders | media_settings()}
    base = {"CONSILIUM_DATA_DIR": str(tmp_path), "CONSILIUM_SECRET_KEY": "s" * 32}
    assert Settings.from_environment({**base, **given}) == Settings.from_environment(base)
