"""Which forwarder a worker runs: the compiled one where it was built, else the one in Python."""

import logging

from media.plane.table import Forwarder

_log = logging.getLogger(__name__)

PREFERENCES = ("auto", "compiled", "python")


class ForwarderMissing(RuntimeError):
    """The compiled forwarder was demanded and is not there."""


def forwarder(preference: str = "auto", *, realtime: bool = True) -> Forwarder:
    """A forwarder that is not started yet.

    `preference` is CONSILIUM_MEDIA_FORWARDER, `realtime` whether its thread may ask for realtime priority.
    Raises ForwarderMissing when `compiled` is demanded and the extension cannot be loaded, ValueError for another word.
    """
    if preference not in PREFERENCES:
        raise ValueError(f"the forwarder is one of {', '.join(PREFERENCES)}, not {preference}")
    if preference == "python":
        return _python()
    try:
        from media.plane.compiled import CompiledForwarder
    except ImportError as error:
        if preference == "compiled":
            raise ForwarderMissing(
                "the compiled forwarder is not built: apt install -y gcc libssl-dev python3-dev, then make build"
            ) from error
        _log.warning("compiled forwarder not built, forwarding in Python: %s", error)
        return _python()
    return CompiledForwarder(realtime=realtime)


def _python() -> Forwarder:
    from media.plane.python import PythonForwarder

    return PythonForwarder()
