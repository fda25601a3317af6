"""Templates of what people read: autoescaped, strict about names."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


@cache
def template(name: str) -> Template:
    """A template of `documents/templates`; an unknown name inside it is an error, never an empty place."""
    environment = Environment(
        loader=PackageLoader("consilium.documents", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
