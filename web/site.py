"""What every handler of this edge can reach: the site's long-lived parts and what is known of the asker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from aiohttp import web

from consilium.actor import Actor
from consilium.model import Person
from consilium.service import Service
from consilium.settings import Settings
from web.i18n import Language, Texts, known, preferred, texts
from web.limits import Limits
from web.pool import Pool

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True, slots=True)
class Site:
    """Made once in `app.make_app`."""

    settings: Settings
    service: Service
    pool: Pool
    limits: Limits
    templates: Environment


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in person: everything a handler may know of who asks. Never from a payload."""

    person: Person
    organisation_name: str
    session_id: UUID
    token: str = field(repr=False)

    @property
    def actor(self) -> Actor:
        """The same person towards the domain."""
        one = self.person
        return Actor(
            person_id=one.id,
            organisation_id=one.organisation_id,
            duties=frozenset(one.duties),
            name=one.full_name,
        )

    def has(self, duty: str) -> bool:
        """Whether the account carries the duty."""
        return duty in self.person.duties


SITE = web.AppKey("site", Site)
CALLER = web.RequestKey("caller", Caller)
SESSIONS_SEEN: web.AppKey[dict[UUID, float]] = web.AppKey("sessions_seen", dict)
REFERENCE = web.RequestKey("reference", str)

LANGUAGE_COOKIE = "consilium-language"


def site(request: web.Request) -> Site:
    """The site's parts."""
    return request.config_dict[SITE]


def caller(request: web.Request) -> Caller:
    """Who asks; behind a route that needs a session it is always there."""
    return request[CALLER]


def identifier(request: web.Request, name: str = "id") -> UUID:
    """A UUID of the path. One that is none is an object that is not there."""
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise web.HTTPNotFound from None


def language_of(request: web.Request) -> Language:
    """The person's language; before sign-in the cookie, then the browser's, then the installation's."""
    if (found := request.get(CALLER)) is not None:
        return known(found.person.language) or "ru"
    if chosen := known(request.cookies.get(LANGUAGE_COOKIE)):
        return chosen
    return preferred(request.headers.get("Accept-Language", ""), site(request).settings.language)


def texts_of(request: web.Request) -> Texts:
    """The catalogue for this asker."""
    return texts(language_of(request))
