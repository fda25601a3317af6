"""`python -m consilium.seal PACKAGE`: verdicts on a package, with no database and nothing else of the product.

    python -m consilium.seal PACKAGE [--at DATE] [--roots FOLDER] [--json] [--openssl] [--lang ru|en]
    python -m consilium.seal --archive FOLDER [--at DATE] [--roots FOLDER] [--state FILE]

Needs this folder and the packages `cryptography` and `lxml`; GOST signatures also the openssl program's gost engine.
Exit status: 0 every check held, 1 something does not hold, 2 it could not be asked.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from consilium.seal import inventory
from consilium.seal.errors import SealError
from consilium.seal.inventory import Progress, Summary
from consilium.seal.openssl import openssl_verify
from consilium.seal.report import report_json, report_lines, verify_package
from consilium.seal.trust import TrustStore

__all__ = ["ARGUMENTS", "main", "run"]

ARGUMENTS: dict[str, dict[str, object]] = {
    "package": {"type": Path, "nargs": "?", "metavar": "PACKAGE", "help": "пакет .asice / the package"},
    "--at": {
        "metavar": "DATE",
        "help": "на какой момент проверить, например 2046-11-23; по умолчанию сейчас / moment to judge at, now by default",
    },
    "--roots": {"type": Path, "help": "папка доверенных корней *.crt / folder of trusted roots"},
    "--json": {"action": "store_true", "help": "ответ для программ / answer for programs"},
    "--openssl": {"action": "store_true", "help": "ещё и программой openssl / ask openssl too"},
    "--archive": {
        "type": Path,
        "metavar": "FOLDER",
        "help": "проверить все пакеты папки / every package there",
    },
    "--state": {
        "type": Path,
        "metavar": "FILE",
        "help": "где помнить проверенное, по умолчанию FOLDER/verified.jsonl / where a broken-off run is remembered",
    },
    "--lang": {"choices": ("ru", "en"), "default": "ru", "help": "язык вывода / language"},
}


def main(arguments: list[str] | None = None) -> int:
    """Check one package, or a folder of them, and print what was found."""
    parser = argparse.ArgumentParser(
        prog="python -m consilium.seal",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, more in ARGUMENTS.items():
        parser.add_argument(name, **more)  # type: ignore[arg-type]  # the table holds what add_argument takes
    return run(parser.parse_args(arguments))


def run(options: argparse.Namespace) -> int:
    """Do what the options say; for this program and for `consilium verify`."""
    try:
        at = _moment(options.at)
        roots = TrustStore.load(options.roots) if options.roots else None
        if options.archive:
            return _archive(options, roots, at)
        if options.package is None:
            _say(NOTHING[options.lang == "ru"])
            return 2
        return _package(options, roots, at)
    except (SealError, OSError, ValueError) as error:
        _say(error.message(options.lang) if isinstance(error, SealError) else str(error))
        return 2


NOTHING = (
    "Name a package, or a folder of packages with --archive.",
    "Назовите пакет или папку пакетов через --archive.",
)


def _package(options: argparse.Namespace, roots: TrustStore | None, at: datetime | None) -> int:
    report = verify_package(options.package, roots=roots, at=at, now=datetime.now(UTC))
    outcomes = openssl_verify(options.package) if options.openssl and report.held else []
    if options.json:
        _say(report_json(report))
    else:
        shown = [f"{'OK' if held else 'FAILED':8} {command}" for command, held in outcomes]
        _say("\n".join([*report_lines(report, options.lang), *shown]))
    return 0 if report.held and all(held for _, held in outcomes) else 1


def _archive(options: argparse.Namespace, roots: TrustStore | None, at: datetime | None) -> int:
    russian = options.lang == "ru"

    def tell(progress: Progress) -> None:
        sys.stderr.write(_progress(progress, russian=russian) + "\n")

    summary = inventory.check_folder(
        options.archive, roots=roots, at=at, now=datetime.now(UTC), state=options.state, tell=tell
    )
    _say("\n".join(_summary(summary, russian=russian)))
    return 0 if summary.held else 1


def _progress(progress: Progress, *, russian: bool) -> str:
    share = 100 * progress.done / progress.total
    if russian:
        return (
            f"проверено {progress.done} из {progress.total} ({share:.0f} %), отказов {progress.refused},"
            f" {progress.rate:.1f} в секунду, осталось {progress.seconds_left:.0f} с"
        )
    return (
        f"checked {progress.done} of {progress.total} ({share:.0f} %), refused {progress.refused},"
        f" {progress.rate:.1f} a second, {progress.seconds_left:.0f} s left"
    )


def _summary(summary: Summary, *, russian: bool) -> list[str]:
    refused = [f"{'ОТКАЗ' if russian else 'REFUSED'} {one.name}: {one.codes}" for one in summary.refused]
    at, ends = f"{summary.at:%Y-%m-%d %H:%M:%S} UTC", summary.ends_first or "-"
    if russian:
        counted = f"Пакетов {summary.total}, на {at}; из прежнего прогона {summary.taken_over}, отказов {len(refused)}."
        return [*refused, counted, f"Раньше всех кончается метка: {ends}"]
    counted = f"Packages {summary.total}, at {at}; from an earlier run {summary.taken_over}, refused {len(refused)}."
    return [*refused, counted, f"The timestamp that ends first: {ends}"]


def _moment(text: str | None) -> datetime | None:
    """A date, or a date with time; without a zone it is UTC. Raises ValueError with a sentence."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        sentence = (
            f"Дата не читается, нужна 2046-11-23. The date cannot be read, 2046-11-23 is wanted: {text}"
        )
        raise ValueError(sentence) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
