"""`python -m consilium.seal PACKAGE`: verdicts on a package; exit status 0 only if every check held."""

import argparse
import sys
from pathlib import Path

from consilium.seal.errors import SealError
from consilium.seal.openssl import openssl_verify
from consilium.seal.report import report_lines, verify_package
from consilium.seal.trust import TrustStore

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Check one package and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m consilium.seal", description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--lang", choices=("ru", "en"), default="ru")
    parser.add_argument("--roots", type=Path, help="folder of trusted root certificates (*.crt)")
    parser.add_argument(
        "--openssl", action="store_true", help="also run the openssl program on every signature"
    )
    options = parser.parse_args(arguments)
    try:
        roots = TrustStore.load(options.roots) if options.roots else None
        report = verify_package(options.package, roots=roots)
        outcomes = openssl_verify(options.package) if options.openssl and report.held else []
    except (SealError, OSError) as error:
        sys.stdout.write(f"{error.message(options.lang) if isinstance(error, SealError) else error}\n")
        return 2
    shown = [f"{'OK' if held else 'FAILED':8} {command}" for command, held in outcomes]
    sys.stdout.write("\n".join([*report_lines(report, options.lang), *shown]) + "\n")
    return 0 if report.held and all(held for _, held in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
