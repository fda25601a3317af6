"""Sets our Typst templates as PDF/A; `pdf.py` and `register.py` give the words.

    python -m consilium.documents.setting < {"template": …, "data": {…}} > file

Typst keeps what it set for its next ten documents. Copies of a few pages may stay so; what can be hundreds of pages is
set `apart`, by a process that takes its memory along when it ends.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from consilium.errors import Unavailable

__all__ = ["apart", "pdf_of"]

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).with_name("templates")
FONT = "DejaVu Sans"
# Besides Latin, Greek, Cyrillic, punctuation, arrows and mathematics its letters differ between releases.
UNSURE = re.compile(
    "[^ -~\u00a0-\u024f\u0300-\u034f\u0391-\u03a1\u03a3-\u0525\u200b-\u205e\u20bd\u2116\u2122\u2190-\u22ff\u2500-\u25ff]"
)
# Two thousand lines of a register take two seconds.
LONGEST_SECONDS = 120.0
NO_FONT = 3


def pdf_of(template: str, data: Mapping[str, Any], made_at: datetime | None = None) -> bytes:
    """PDF/A-1a of one of our templates; without a moment it is dated by the clock.

    PDF/A has no empty boxes for letters that no font of this machine has: where there is one, everything our own
    font may not have becomes U+FFFD. Raises Unavailable("pdf_unavailable") where that font is not installed.
    """
    words = json.dumps(data, ensure_ascii=False)
    try:
        return _set(template, words, made_at)
    except _typst().TypstError as error:
        log.warning("pdf.letters_missing", extra={"template": template, "cause": error.message[:80]})
    try:
        return _set(template, UNSURE.sub("\N{REPLACEMENT CHARACTER}", words), made_at)
    except _typst().TypstError as error:
        log.exception("pdf.not_set", extra={"template": template})
        raise Unavailable("pdf_unavailable") from error


def apart(template: str, data: Mapping[str, Any]) -> bytes:
    """As `pdf_of`, in a process of its own."""
    command = [sys.executable, "-m", __name__]
    asked = json.dumps({"template": template, "data": data}).encode()
    done = subprocess.run(command, input=asked, capture_output=True, check=False, timeout=LONGEST_SECONDS)
    if done.returncode == NO_FONT:
        raise Unavailable("pdf_unavailable")
    if done.returncode:
        log.error("pdf.failed", extra={"status": done.returncode})
        done.check_returncode()
    return done.stdout


def _set(template: str, words: str, made_at: datetime | None) -> bytes:
    # A compiler of one's own: it may not be shared between threads, the fonts may.
    compiler = _typst().Compiler(
        TEMPLATES / template, root=TEMPLATES, font_paths=_fonts(), sys_inputs={"data": words}
    )
    made: bytes = compiler.compile(format="pdf", pdf_standards=["a-1a"], timestamp=made_at)
    return made


@cache
def _typst() -> Any:
    # Thirty megabytes that only a process which makes copies needs.
    import typst

    return typst


@cache
def _fonts() -> Any:
    """The fonts of this machine, looked for once: ours, and others for letters ours does not have."""
    fonts = _typst().Fonts(include_embedded_fonts=False)
    if FONT not in fonts.families():
        raise Unavailable("pdf_unavailable")
    return fonts


def main() -> int:
    """One file from standard input to standard output."""
    asked = json.load(sys.stdin)
    try:
        sys.stdout.buffer.write(pdf_of(asked["template"], asked["data"]))
    except Unavailable:
        return NO_FONT
    return 0


if __name__ == "__main__":
    sys.exit(main())
