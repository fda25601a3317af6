"""How the compiled forwarder is made into `media.plane._fanout`: cffi in API mode, declarations from native/fanout.h.

`setup.py` runs it where a compiler and the headers of OpenSSL are; after a change of native/ a developer asks for
`.venv/bin/python setup.py -q build_ext --inplace`, or `make dev`.
"""

from pathlib import Path

from cffi import FFI

NATIVE = Path(__file__).with_name("native")
SOURCES = sorted(path.name for path in NATIVE.glob("*.c"))
# No -march: a wheel runs elsewhere than it was made, and libcrypto chooses its instructions itself.
FLAGS = [
    "-std=gnu11",
    "-O2",
    "-fno-plt",
    "-fvisibility=hidden",
    "-fstack-protector-strong",
    "-D_FORTIFY_SOURCE=2",
    "-Wall",
    "-Wextra",
]


def declarations() -> str:
    """What stands between the marks of fanout.h."""
    header = (NATIVE / "fanout.h").read_text(encoding="utf-8")
    return header.split("/* cffi: begin */")[1].split("/* cffi: end */")[0]


def recipe() -> FFI:
    """Paths are relative to the project: setuptools insists."""
    root = NATIVE.parents[2]
    builder = FFI()
    builder.cdef(declarations())
    builder.set_source(
        "media.plane._fanout",
        '#include "fanout.h"',
        sources=[str((NATIVE / name).relative_to(root)) for name in SOURCES],
        depends=[str(path.relative_to(root)) for path in sorted(NATIVE.glob("*.h"))],
        include_dirs=[str(NATIVE.relative_to(root))],
        libraries=["crypto", "pthread"],
        extra_compile_args=FLAGS,
    )
    return builder


ffibuilder = recipe()
