"""Settings refuse early, in words, and read the same in every process."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from consilium.settings import Settings, SettingsError


@pytest.fixture
def base(tmp_path):
    return {"CONSILIUM_DATA_DIR": str(tmp_path / "var"), "CONSILIUM_SECRET_KEY": "s" * 32}


REFUSED = [
    ({"CONSILIUM_SECRET_KEY": ""}, "settings_secret"),
    ({"CONSILIUM_SECRET_KEY": "short"}, "settings_secret"),
    ({"CONSILIUM_DEMO": "yes"}, "settings_choice"),
    ({"CONSILIUM_PORT": "80a"}, "settings_number"),
    ({"CONSILIUM_PORT": "65536"}, "settings_number"),
    ({"CONSILIUM_PORT": "-1"}, "settings_number"),
    ({"CONSILIUM_PORT": "٣"}, "settings_number"),
    ({"CONSILIUM_DATABASE_URL": "mysql://x/y"}, "settings_database"),
    ({"CONSILIUM_REDIS_URL": "http://x"}, "settings_url"),
    ({"CONSILIUM_REGISTRY_URL": "file:///etc"}, "settings_url"),
    ({"CONSILIUM_PUBLIC_ORIGIN": "https://a.example/path"}, "settings_origin"),
    ({"CONSILIUM_PUBLIC_ORIGIN": "a.example"}, "settings_origin"),
    ({"CONSILIUM_TLS_CERT": "cert.pem"}, "settings_tls"),
    ({"CONSILIUM_TLS_KEY": "key.pem"}, "settings_tls"),
    ({"CONSILIUM_MEDIA_CONTROLS": "media.sock"}, "settings_media_controls"),
    ({"CONSILIUM_MEDIA_CONTROLS": "tcp:media.example"}, "settings_media_controls"),
    ({"CONSILIUM_MEDIA_CONTROLS": "tcp:media.example:7000"}, "settings_media_key"),
    ({"CONSILIUM_MEDIA_CONTROLS": "unix:/" + "x" * 107}, "settings_socket_path"),
    ({"CONSILIUM_TURN_URLS": "turn:a.example"}, "settings_turn_secret"),
    ({"CONSILIUM_TURN_URLS": "stun:a.example", "CONSILIUM_TURN_SECRET_FILE": "s"}, "settings_turn"),
    ({"CONSILIUM_TURN_URLS": "turn:a.example:0", "CONSILIUM_TURN_SECRET_FILE": "s"}, "settings_turn"),
    (
        {"CONSILIUM_TURN_URLS": "turns:a.example?transport=udp", "CONSILIUM_TURN_SECRET_FILE": "s"},
        "settings_turn",
    ),
    ({"CONSILIUM_LANGUAGE": "de"}, "settings_choice"),
    ({"CONSILIUM_LOG_LEVEL": "LOUD"}, "settings_choice"),
]


@pytest.mark.parametrize("change,code", REFUSED)
def test_a_setting_that_makes_no_sense_is_refused_with_its_code(base, change, code):
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({**base, **change})
    assert refusal.value.code == code
    assert refusal.value.sentence == str(refusal.value)


def test_the_same_settings_without_the_change_are_taken(base):
    assert Settings.from_environment(base).port == 8080


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment(
            {"CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(tmp_path / "file" / "var")}
        )
    assert refusal.value.code == "settings_data_dir"


def test_a_secret_is_not_shown(base):
    assert "s" * 32 not in repr(Settings.from_environment(base))


def test_the_demonstration_secret_is_made_once_and_is_private(tmp_path):
    env = {"CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(tmp_path)}
    with ThreadPoolExecutor(8) as pool:
        read = {one.secret_key for one in pool.map(lambda _: Settings.from_environment(env), range(32))}
    assert len(read) == 1
    assert len(read.pop()) == 64
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_child_process_reads_the_same_settings(base):
    full = {
        **base,
        "CONSILIUM_DEMO": "1",
        "CONSILIUM_MEDIA_CONTROLS": "unix:/run/a.sock, unix:/run/b.sock",
        "CONSILIUM_MEDIA_ADDRESSES": "10.0.0.1,10.0.0.2",
        "CONSILIUM_REDIS_URL": "redis://127.0.0.1/0",
        "CONSILIUM_DATABASE_URL": "postgres://u@h/d",
        "CONSILIUM_TLS_CERT": "a.crt",
        "CONSILIUM_TLS_KEY": "a.key",
        "CONSILIUM_TURN_URLS": "turn:a.example?transport=tcp, turns:[::1]:443",
        "CONSILIUM_TURN_SECRET_FILE": "secret",
    }
    settings = Settings.from_environment(full)
    assert Settings.from_environment(settings.to_environment()) == settings
    assert settings.database_url == "postgresql+psycopg://u@h/d"
    assert settings.media_controls == ("unix:/run/a.sock", "unix:/run/b.sock")


def test_the_registry_is_the_simulator_only_in_demonstration_mode(base):
    assert Settings.from_environment(base).registry_url is None
    assert Settings.from_environment({**base, "CONSILIUM_DEMO": "1"}).registry_url == "http://127.0.0.1:8090"


@pytest.mark.parametrize(
    "change,origin",
    [
        ({}, "http://127.0.0.1:8080"),
        ({"CONSILIUM_HOST": "::1"}, "http://[::1]:8080"),
        ({"CONSILIUM_PORT": "80"}, "http://127.0.0.1"),
        ({"CONSILIUM_TLS_CERT": "a", "CONSILIUM_TLS_KEY": "b", "CONSILIUM_PORT": "443"}, "https://127.0.0.1"),
        ({"CONSILIUM_PUBLIC_ORIGIN": "https://Consilium.Example/"}, "https://consilium.example"),
    ],
)
def test_the_public_origin_is_written_as_browsers_write_it(base, change, origin):
    assert Settings.from_environment({**base, **change}).public_origin == origin


def test_an_empty_value_counts_as_unset(base):
    assert Settings.from_environment({**base, "CONSILIUM_PORT": " "}).port == 8080


def test_paths_do_not_depend_on_a_later_change_of_folder(base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({**base, "CONSILIUM_DATA_DIR": "state"})
    assert settings.data_dir == tmp_path / "state"
    assert settings.database_url == f"sqlite:///{tmp_path}/state/consilium.db"
    assert settings.media_controls[:2] == tuple(f"unix:{tmp_path}/state/media-{n}.sock" for n in (1, 2))


def test_the_process_environment_is_the_default_source(base, monkeypatch):
    for name in [name for name in os.environ if name.startswith("CONSILIUM_")]:
        monkeypatch.delenv(name)
    for name, value in {**base, "CONSILIUM_PORT": "8123"}.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment().port == 8123
