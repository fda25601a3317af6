"""The operator's command line: `consilium --help`.

It starts other parts as processes and imports none of them; what is heavy is imported by the command that
needs it, so that `--help` and a refusal come at once. Exit status: 0 done, 1 something does not hold,
2 refused before it began, with one sentence that says what to do.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consilium import log, supervise
from consilium.settings import Settings, SettingsError

PREPARE = supervise.Part("prepare", ("-m", "consilium.cli", "demo-data"))
MIGRATE = supervise.Part("migrate", ("-m", "consilium.cli", "migrate"))


@dataclass(frozen=True, slots=True)
class Call:
    """A command as it was typed: its options, and the environment it reads settings from."""

    options: argparse.Namespace
    env: Mapping[str, str]

    def settings(self, **changes: object) -> Settings:
        """Settings, with what the command line gave in place of the environment; None means not given."""
        return Settings.from_environment(supervise.overridden(self.env, **changes))


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the `consilium` script; returns the exit status."""
    options = _parser().parse_args(arguments)
    # A person reads this terminal: what went wrong is told in a sentence, not in a log line beside it.
    log.configure("CRITICAL")
    try:
        return int(options.command(Call(options, os.environ)))
    except SettingsError as refusal:
        print(refusal.sentence, file=sys.stderr)
    except supervise.CannotStart as refusal:
        print(refusal, file=sys.stderr)
    except BrokenPipeError:
        # Whoever read the list has seen enough (`| head`); the interpreter would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return supervise.CANNOT_START


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="consilium", description="Консилиум: команды оператора. Operator's commands."
    )
    groups = {"": parser.add_subparsers(required=True, metavar="COMMAND")}
    for words, (command, meaning, arguments) in COMMANDS.items():
        group, _, name = words.rpartition(" ")
        if group not in groups:
            above = groups[""].add_parser(group, help=GROUPS[group], description=GROUPS[group])
            groups[group] = above.add_subparsers(required=True, metavar="COMMAND")
        one = groups[group].add_parser(name, help=meaning, description=meaning)
        one.set_defaults(command=command)
        for argument, more in arguments.items():
            one.add_argument(argument, **more)
    return parser


def _serve(call: Call) -> int:
    given = call.options
    settings = call.settings(
        demo=1 if given.demo else None,
        host=given.host,
        port=given.port,
        tls_cert=given.tls_cert,
        tls_key=given.tls_key,
        media_workers=given.workers,
    )
    if given.turn:
        settings = _with_turn(settings)
    # In a demonstration the terminal is for people; what the parts log is in <data_dir>/log.
    log.configure("WARNING" if settings.demo else settings.log_level)
    supervise.check(settings)
    with supervise.only_one(settings.data_dir), supervise.Supervisor(settings) as supervisor:
        if not _started(supervisor, settings, turn=given.turn):
            return 0
        _announce(settings)
        supervisor.forever()
        print("Останавливается. Stopping.", flush=True)
    return 0


def _with_turn(settings: Settings) -> Settings:
    """The addresses of a coturn beside the edge, unless others are set, and the secret that both will read."""
    from consilium import coturn

    coturn.program()
    if not settings.media_addresses:
        raise supervise.CannotStart(
            "Задайте CONSILIUM_MEDIA_ADDRESSES: coturn достигает только названных адресов. "
            "Set CONSILIUM_MEDIA_ADDRESSES: coturn reaches the addresses that are named and no others."
        )
    supervise.check_disk(settings.data_dir)
    secret_file = coturn.secret_file(settings)
    coturn.keep_secret(secret_file)
    urls = settings.turn_urls or coturn.urls_of_one_machine(settings)
    return replace(settings, turn_urls=urls, turn_secret_file=secret_file)


def _started(supervisor: supervise.Supervisor, settings: Settings, *, turn: bool = False) -> bool:
    """Prepare the database, start everything, wait until it is healthy; False when a person ended it."""
    print("Готовится база данных. Preparing the database.", flush=True)
    status = supervisor.run(PREPARE if settings.demo else MIGRATE, shown=True)
    if status is None:
        return False
    if status:
        raise supervise.CannotStart(
            "База данных не подготовлена, причина выше. The database could not be prepared."
        )
    print("Запускаются сервер, медиа и обработчик. Starting edge, media and worker.", flush=True)
    supervisor.start(supervise.parts_of_one_machine(settings, turn=turn))
    return supervisor.until_healthy(supervise.local_url(settings, "/health"))


def _announce(settings: Settings) -> None:
    """Address and accounts in one piece, so that whoever waits for the address has the rest too."""
    lines = ["", "Консилиум работает, Ctrl-C остановит его. Consilium is running, Ctrl-C stops it."]
    lines += ["", f"  {settings.public_origin}", *(_accounts() if settings.demo else []), ""]
    print("\n".join(lines), flush=True)


def _accounts() -> list[str]:
    from consilium.demo import ACCOUNTS

    width = max(len(account.login) for account in ACCOUNTS)
    return [
        "",
        "Пароли известны всем, это показ. Demonstration accounts, their passwords are public:",
        "",
        *(f"  {one.login:<{width}}  {one.password}  {one.name}, {one.duty}" for one in ACCOUNTS),
    ]


def _demo(call: Call) -> int:
    """A server of its own in `<data_dir>/demo`, the whole path by synthetic participants, then the judges."""
    folder = Path(call.env.get("CONSILIUM_DATA_DIR") or "var").resolve() / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    package = folder / "package.asice"
    settings = Settings.from_environment(_demo_environment(call.env, folder, call.options))
    log.configure("WARNING")
    supervise.check(settings)
    with supervise.only_one(folder), supervise.Supervisor(settings) as supervisor:
        if not _started(supervisor, settings):
            return 1
        wanted = ["--url", settings.public_origin, "--package", str(package)]
        wanted += ["--kind", call.options.kind, "--keys", call.options.keys]
        driver = ("-m", "signaling.bots", "demo", *wanted)
        if supervisor.run(supervise.Part("participants", driver), shown=True) != 0:
            print(
                f"Не доиграно, журналы в {folder / 'log'}. Not played to the end, logs are there.",
                file=sys.stderr,
            )
            return 1
    held = _judged(package, verbose=call.options.verbose)
    if not call.options.keep:
        _keep_only(package)
    print(f"package: {package}")
    return 0 if held else 1


def _demo_environment(env: Mapping[str, str], folder: Path, options: argparse.Namespace) -> dict[str, str]:
    """Nothing of the installation's own settings but the official files and the log level."""
    kept = {
        name: value for name, value in env.items() if name in {"CONSILIUM_SEMD_DIR", "CONSILIUM_LOG_LEVEL"}
    }
    names = ("CONSILIUM_PORT", "CONSILIUM_REGISTRY_PORT", "CONSILIUM_AUTHORITY_PORT")
    ports = {name: supervise.free_port() for name in names}
    return {
        **kept,
        **{name: str(port) for name, port in ports.items()},
        **({"CONSILIUM_EXTRACT_EDITION": options.kind} if options.kind == "99" else {}),
        **({} if options.keys == "p256" else {"CONSILIUM_SIGNATURE_POLICY": "ru-ukep/1"}),
        "CONSILIUM_DEMO": "1",
        "CONSILIUM_DATA_DIR": str(folder),
        "CONSILIUM_MEDIA_ADDRESSES": "127.0.0.1",
    }


def _judged(package: Path, *, verbose: bool = False) -> bool:
    """Our verifier and the openssl program, each on its own; prints what both say, of openssl only what failed."""
    from consilium.seal.openssl import openssl_verify
    from consilium.seal.report import report_lines, verify_package

    report = verify_package(package)
    print("\n".join(report_lines(report)))
    outcomes = openssl_verify(package) if report.held else []
    for command, held in outcomes:
        if verbose or not held:
            print(f"{'OK' if held else 'FAILED':8} {command}")
    good = sum(held for _, held in outcomes)
    print(f"openssl: удалось проверок {good} из {len(outcomes)}. {good} of {len(outcomes)} checks succeeded.")
    return report.held and bool(outcomes) and good == len(outcomes)


def _keep_only(package: Path) -> None:
    for path in package.parent.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path != package:
            path.unlink(missing_ok=True)


def _verify(call: Call) -> int:
    from consilium.seal.__main__ import run as judge

    return judge(call.options)


def _make_certificate(call: Call) -> int:
    from consilium import certificate, clock

    folder = call.options.folder or Path(call.env.get("CONSILIUM_DATA_DIR") or "var") / "tls"
    try:
        cert, key = certificate.make(call.options.names, folder, clock.now())
    except (OSError, ValueError) as error:
        raise supervise.CannotStart(f"Сертификат не сделан. The certificate was not made: {error}") from error
    print(
        "Сертификат для показа, браузер предупредит о нём. A demonstration certificate, browsers will warn.\n"
        f"consilium serve --host {call.options.names[0]} --tls-cert {cert} --tls-key {key}"
    )
    return 0


def _turn_config(call: Call) -> int:
    print(f"turnserver -c {_write_turn_config(call, call.settings())}")
    return 0


def _turn_run(call: Call) -> int:
    from consilium import coturn

    path, program = _write_turn_config(call, call.settings()), coturn.program()
    os.execv(program, [program, "-c", str(path)])  # noqa: S606  # coturn takes the place of this process


def _write_turn_config(call: Call, settings: Settings) -> Path:
    from consilium import coturn

    given = call.options
    if not settings.turn_urls:
        raise supervise.CannotStart(
            "Задайте CONSILIUM_TURN_URLS, например turn:turn.example.org:3478?transport=udp. Set CONSILIUM_TURN_URLS."
        )
    try:
        return coturn.write_configuration(
            settings, given.peer or settings.media_addresses, given.listen, given.relay
        )
    except (OSError, ValueError) as error:
        raise supervise.CannotStart(
            f"Конфигурация coturn не записана. coturn's configuration was not written: {error}"
        ) from error


def _migrate(call: Call) -> int:
    from consilium import upkeep

    return upkeep.migrate(call.settings())


def _demo_data(call: Call) -> int:
    from consilium import upkeep

    return upkeep.load_demonstration(call.settings(demo=1))


def _list_users(call: Call) -> int:
    from consilium import upkeep

    return upkeep.list_users(call.settings())


def _add_user(call: Call) -> int:
    from consilium import upkeep

    names = ("login", "surname", "given", "patronymic", "snils", "position", "speciality", "duties")
    fields = {name: value for name in names if (value := getattr(call.options, name)) is not None}
    return upkeep.add_user(call.settings(), call.options.organisation, fields)


def _verify_journal(call: Call) -> int:
    from consilium import upkeep

    return upkeep.verify_journal(call.settings())


def _revive_outbox(call: Call) -> int:
    from consilium import upkeep

    return upkeep.revive_outbox(call.settings())


def _install_official(call: Call) -> int:
    from consilium import upkeep

    return upkeep.install_official(call.settings(), call.options.folder)


def _import_dictionaries(call: Call) -> int:
    from consilium import upkeep

    return upkeep.import_dictionaries(call.settings(), call.options.path)


def _doctor(call: Call) -> int:
    from consilium import doctor

    lines, status = doctor.examine(call.settings(), call.options.lang)
    print("\n".join(lines))
    return status


LANGUAGE: Mapping[str, Any] = {"choices": ("ru", "en"), "default": "ru", "help": "язык вывода / language"}
TURN_ADDRESSES: Mapping[str, Mapping[str, Any]] = {
    "--listen": {
        "action": "append",
        "default": [],
        "metavar": "ADDRESS",
        "help": "адрес для браузеров, по умолчанию все / address browsers reach, all of them by default",
    },
    "--relay": {
        "action": "append",
        "default": [],
        "metavar": "ADDRESS",
        "help": "адрес, с которого идти к медиасерверам / address to speak to media workers from",
    },
    "--peer": {
        "action": "append",
        "default": [],
        "metavar": "ADDRESS",
        "help": "адрес медиасервера, по умолчанию CONSILIUM_MEDIA_ADDRESSES / address of a media worker",
    },
}
GROUPS = {
    "journal": "журнал / the journal",
    "nsi": "справочники НСИ / national dictionaries",
    "outbox": "очередь задач / the queue of tasks",
    "semd": "официальные схемы и правила / official schemas and rules",
    "user": "учётные записи / accounts",
    "certificate": "сертификат сервера / server certificate",
    "turn": "сервер TURN (coturn) для сетей без UDP / TURN server for networks without UDP",
}
# Words -> (what does it, its meaning, its arguments).
COMMANDS: dict[str, tuple[Callable[[Call], int], str, Mapping[str, Mapping[str, Any]]]] = {
    "serve": (
        _serve,
        "запустить сервер, медиа и обработчик / start edge, media and worker",
        {
            "--demo": {
                "action": "store_true",
                "help": "с демонстрационными данными / with demonstration data",
            },
            "--host": {"help": "адрес, по умолчанию 127.0.0.1 / address to listen on"},
            "--port": {"type": int, "help": "порт, по умолчанию 8080 / port to listen on"},
            "--tls-cert": {"type": Path, "help": "сертификат PEM / certificate chain"},
            "--tls-key": {"type": Path, "help": "ключ PEM / its key"},
            "--workers": {"type": int, "help": "сколько процессов медиа / number of media processes"},
            "--turn": {
                "action": "store_true",
                "help": "и coturn, если UDP закрыт / coturn too, for blocked UDP",
            },
        },
    ),
    "demo": (
        _demo,
        "провести целый консилиум с ботами и проверить пакет / play a whole consilium and verify its package",
        {
            "--kind": {
                "choices": ("190", "307", "40", "99"),
                "default": "190",
                "help": "какой документ уйдёт в реестр, код НСИ 11.1520 / which document is filed",
            },
            "--keys": {
                "choices": ("p256", "gost256", "gost512"),
                "default": "p256",
                "help": "чем подписывают: ECDSA или ГОСТ Р 34.10-2012 / what everybody signs with",
            },
            "--keep": {"action": "store_true", "help": "оставить базу и журналы / keep database and logs"},
            "--verbose": {"action": "store_true", "help": "каждая команда openssl / every openssl command"},
        },
    ),
    "verify": (
        _verify,
        "проверить пакет протокола / verify a sealed package",
        {
            "package": {"type": Path, "nargs": "?", "metavar": "PACKAGE"},
            "--at": {
                "metavar": "DATE",
                "help": "на какой момент, например 2046-11-23; по умолчанию сейчас / moment to judge at, now by default",
            },
            "--roots": {"type": Path, "help": "папка доверенных корней *.crt / folder of trusted roots"},
            "--policy": {
                "metavar": "ID",
                "help": "судить по этой политике, например ru-ukep/1 / policy to judge by, whatever the package names",
            },
            "--with": {
                "dest": "beside",
                "type": Path,
                "nargs": "+",
                "action": "extend",
                "default": [],
                "metavar": "ACT",
                "help": "акты об аннулировании или папка с ними / acts that may annul it, or their folder",
            },
            "--json": {"action": "store_true", "help": "ответ для программ / answer for programs"},
            "--openssl": {"action": "store_true", "help": "ещё и программой openssl / ask openssl too"},
            "--archive": {
                "type": Path,
                "metavar": "FOLDER",
                "help": "все пакеты папки / every package there",
            },
            "--state": {
                "type": Path,
                "metavar": "FILE",
                "help": "где помнить проверенное / where a broken-off run is remembered",
            },
            "--lang": LANGUAGE,
        },
    ),
    "journal verify": (_verify_journal, "проверить цепочки журнала / verify the chains of the journal", {}),
    "outbox again": (
        _revive_outbox,
        "вернуть в работу задачи, исчерпавшие попытки / work anew on tasks that ran out of attempts",
        {},
    ),
    "semd install": (
        _install_official,
        "проверить и установить официальные файлы (guides/, nsi/) / check and install the official files",
        {"folder": {"type": Path, "metavar": "FOLDER"}},
    ),
    "nsi import": (
        _import_dictionaries,
        "принять новые версии справочников / take in new editions of dictionaries",
        {"path": {"type": Path, "metavar": "FOLDER|FILE"}},
    ),
    "user add": (
        _add_user,
        "завести учётную запись; пароль спросят или возьмут из первой строки ввода / add an account",
        {
            "login": {"metavar": "LOGIN"},
            "--organisation": {"required": True, "help": "название или идентификатор / name or id"},
            "--surname": {"required": True, "help": "фамилия"},
            "--given": {"required": True, "help": "имя / given name"},
            "--patronymic": {"help": "отчество"},
            "--snils": {"required": True, "help": "СНИЛС, 11 цифр / 11 digits"},
            "--position": {"required": True, "help": "должность"},
            "--speciality": {"help": "специальность"},
            "--duties": {
                "nargs": "+",
                "default": ["doctor"],
                "help": "doctor, coordinator, registrar, admin, operator",
            },
        },
    ),
    "user list": (_list_users, "показать учётные записи / list accounts", {}),
    "migrate": (_migrate, "привести таблицы к новому виду / bring the tables to the newest shape", {}),
    "demo-data": (_demo_data, "загрузить демонстрационные данные / load demonstration data", {}),
    "doctor": (_doctor, "проверить, на чём всё держится / examine the installation", {"--lang": LANGUAGE}),
    "turn config": (
        _turn_config,
        "записать конфигурацию coturn и общий секрет / write coturn's configuration and the shared secret",
        TURN_ADDRESSES,
    ),
    "turn run": (
        _turn_run,
        "записать конфигурацию и стать coturn / write the configuration and become coturn",
        TURN_ADDRESSES,
    ),
    "certificate make": (
        _make_certificate,
        "сделать сертификат TLS для показа / make a demonstration TLS certificate",
        {
            "names": {
                "nargs": "+",
                "metavar": "HOST",
                "help": "имена и адреса сервера / names and addresses",
            },
            "--folder": {"type": Path, "help": "куда записать, по умолчанию var/tls / where to write"},
        },
    ),
}


if __name__ == "__main__":
    sys.exit(main())
