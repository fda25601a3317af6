"""`python -m consilium.seal PACKAGE`: verdicts on a package, with no database and nothing else of the product.

    python -m consilium.seal PACKAGE [--at DATE] [--roots FOLDER] [--policy ID] [--with ACT...] [--json] [--openssl]
    python -m consilium.seal --archive FOLDER [--at DATE] [--roots FOLDER] [--policy ID] [--state FILE]

Needs this folder and the packages `cryptography` and `lxml`; GOST signatures also the openssl program's gost engine.
Exit status: 0 every check held, 1 something does not hold, 2 it could not be asked, 3 every check held but an act that
was shown annuls the document. In a folder the acts there are taken into account; that alone makes no failure of it.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from unicodedata import category

from consilium.seal import inventory
from consilium.seal.acts import Judge, beside, with_acts
from consilium.seal.errors import SealError
from consilium.seal.inventory import Annulment, Progress, Summary
from consilium.seal.openssl import openssl_verify
from consilium.seal.policy import POLICIES, Policy
from consilium.seal.report import report_json, report_lines
from consilium.seal.trust import TrustStore

__all__ = ["ARGUMENTS", "main", "run"]

ARGUMENTS: dict[str, dict[str, object]] = {
    "package": {"type": Path, "nargs": "?", "metavar": "PACKAGE", "help": "пакет .asice / the package"},
    "--at": {
        "metavar": "DATE",
        "help": "на какой момент проверить, например 2046-11-23; по умолчанию сейчас / moment to judge at, now by default",
    },
    "--roots": {"type": Path, "help": "папка доверенных корней *.crt / folder of trusted roots"},
    "--policy": {
        "metavar": "ID",
        "help": f"по какой политике судить, что бы ни называл пакет / policy to judge by: {', '.join(POLICIES)}",
    },
    "--with": {
        "dest": "beside",
        "type": Path,
        "nargs": "+",
        "action": "extend",
        "default": [],
        "metavar": "ACT",
        "help": "пакеты актов об аннулировании или папка с ними / packages of acts that may annul it, or their folder",
    },
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
        roots = TrustStore.load(options.roots) if options.roots else None
        judge = Judge(roots, _policy(options.policy), _moment(options.at), datetime.now(UTC))
        if options.archive:
            return _archive(options, judge)
        if options.package is None:
            _say(NOTHING[options.lang == "ru"])
            return 2
        return _package(options, judge)
    except (SealError, OSError, ValueError) as error:
        _say(error.message(options.lang) if isinstance(error, SealError) else str(error))
        return 2


NOTHING = (
    "Name a package, or a folder of packages with --archive.",
    "Назовите пакет или папку пакетов через --archive.",
)


def _package(options: argparse.Namespace, judge: Judge) -> int:
    report = judge.report(options.package)
    if options.beside and report.document_sha256:
        others = {name: judge.act(found) for name, found in beside(options.package, options.beside).items()}
        report = with_acts(report, others, judge.moment)
    outcomes = openssl_verify(options.package) if options.openssl and report.held else []
    if options.json:
        _say(report_json(report))
    else:
        shown = [f"{'OK' if held else 'FAILED':8} {command}" for command, held in outcomes]
        _say("\n".join([*report_lines(report, options.lang), *shown]))
    if not (report.held and all(held for _, held in outcomes)):
        return 1
    return 0 if report.annulled is None else 3


def _archive(options: argparse.Namespace, judge: Judge) -> int:
    russian = options.lang == "ru"

    def tell(progress: Progress) -> None:
        sys.stderr.write(_progress(progress, russian=russian) + "\n")

    summary = inventory.check_folder(
        options.archive,
        roots=judge.roots,
        at=judge.at,
        now=judge.now,
        policy=judge.policy,
        state=options.state,
        tell=tell,
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
    annulled = [_annulled(one, russian=russian) for one in summary.annulled]
    at, ends = f"{summary.at:%Y-%m-%d %H:%M:%S} UTC", summary.ends_first or "-"
    if russian:
        counted = f"Пакетов {summary.total}, на {at}; из прежнего прогона {summary.taken_over}, отказов {len(refused)}."
        counted += f" Аннулированных: {len(annulled)}."
        return [*refused, *annulled, counted, f"Раньше всех кончается метка: {ends}"]
    counted = f"Packages {summary.total}, at {at}; from an earlier run {summary.taken_over}, refused {len(refused)}."
    counted += f" Annulled: {len(annulled)}."
    return [*refused, *annulled, counted, f"The timestamp that ends first: {ends}"]


def _annulled(one: Annulment, *, russian: bool) -> str:
    if russian:
        return f"АННУЛ. {one.name}: аннулирован актом {one.number} от {one.since} ({one.act})"
    return f"ANNULLED {one.name}: by act {one.number} of {one.since} ({one.act})"


def _policy(name: str | None) -> Policy | None:
    """One of the policies known here. Raises ValueError with a sentence that names them."""
    if name is None:
        return None
    if name not in POLICIES:
        known = ", ".join(POLICIES)
        raise ValueError(f"Такой политики нет, известны: {known}. No such policy, known are: {known}")
    return POLICIES[name]


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
    """What redraws a terminal is shown as a mark: names of files and people come from strangers."""
    shown = "".join("\ufffd" if category(one)[0] == "C" and one != "\n" else one for one in text)
    sys.stdout.write(f"{shown}\n")


if __name__ == "__main__":
    sys.exit(main())
