"""Which registry this installation files with, and in which dialect: decided by settings alone.

The export folder is always there beside it (`filing.export`) and is no registry.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from consilium.filing import profile, wire
from consilium.filing.line import LineSettings
from consilium.filing.plain import Plain
from consilium.filing.port import Registry
from consilium.filing.proxy import Proxy
from consilium.filing.remd import Remd
from consilium.settings import Settings

Documents = Callable[[UUID], bytes]
"""The frozen bytes by the document's id: a proxy wants them with the registration."""


def registry_of(settings: Settings, documents: Documents) -> Registry | None:
    """An adapter for one exchange, None when no registry is set. Raises FilingError for settings that lead nowhere."""
    address = settings.registry_url
    if address is None:
        return None
    line = LineSettings(base_url=address, proof=proof_of(settings), allowed_bases=(address,))
    shapes = profile.load(settings.registry_profile)
    match settings.registry_protocol:
        case "remd":
            return Remd(line, shapes, f"{settings.public_origin}/registry/soap")
        case "proxy":
            return Proxy(line, shapes, documents)
        case "plain":
            return Plain(line)


def proof_of(settings: Settings) -> wire.Proof:
    """What the registry and this product know of each other; for a gateway the token that is set."""
    return wire.Proof(wire.partner_secret(settings.secret_key), settings.registry_token or "")
