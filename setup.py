"""Compiles the forwarder of media/plane/native where that is possible; everything else stands in pyproject.toml.

Without a C compiler, the headers of OpenSSL or those of Python the installation goes on with one line, and the
relay runs its forwarder in Python (media/plane/choose.py says so when it starts).
"""

import os
import shutil
import subprocess
import sys
import sysconfig

from setuptools import setup

NEEDED = "#include <Python.h>\n#include <openssl/evp.h>\n#include <sys/epoll.h>\n"


def can_compile() -> bool:
    """Whether the preprocessor finds what the sources include."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    if not shutil.which(compiler[0]):
        return False
    command = [*compiler, "-E", "-I", sysconfig.get_paths()["include"], "-x", "c", "-"]
    return subprocess.run(command, input=NEEDED.encode(), capture_output=True, check=False).returncode == 0


if can_compile():
    setup(cffi_modules=["media/plane/build.py:ffibuilder"])
else:
    sys.stderr.write("no compiler, libssl-dev or Python headers: the relay will forward in Python\n")
    setup()
