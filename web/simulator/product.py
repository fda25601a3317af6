"""How the registry reaches the product: fetching a document and telling what became of it, in each dialect."""

from __future__ import annotations

from dataclasses import dataclass, field

import aiohttp

from consilium import clock
from consilium.filing import soap, wire
from consilium.filing.messages import Answer, DocumentFile, GetDocumentFile, RegisterDocumentResult
from consilium.filing.profile import Profile
from consilium.filing.soap import Header
from web.simulator.archive import Entry

MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
EXCHANGE_SECONDS = 10.0


class ProductAwayError(Exception):
    """The product did not answer, or not as agreed."""


@dataclass(slots=True)
class Product:
    """The other side. `bases` are the only addresses it is reached at."""

    proof: wire.Proof
    bases: tuple[str, ...]
    profile: Profile = field(default_factory=Profile)
    _session: aiohttp.ClientSession | None = None

    def _line(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=EXCHANGE_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        return self._session

    async def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def document(self, entry: Entry) -> bytes:
        """The bytes of a registration, fetched or as they came with it. Raises ProductAwayError."""
        one = entry.registration
        if entry.dialect == "proxy":
            return entry.document
        if entry.dialect == "remd":
            answer = await self._soap(one.pull_url, "getDocumentFile", GetDocumentFile(one.local_uid))
            try:
                file = soap.decode(answer, "getDocumentFileResponse", DocumentFile)
            except wire.WireError as error:
                raise ProductAwayError(error.message) from error
            if file.local_uid != one.local_uid:
                raise ProductAwayError("another document was given")
            return file.data
        headers = self.proof.headers("pull", str(one.local_uid), b"", clock.now())
        status, data = await self._ask("GET", one.pull_url, headers, b"")
        if status != 200:
            raise ProductAwayError(f"pull answered {status}")
        return data

    async def tell(self, entry: Entry, answer: wire.Callback) -> None:
        """One answer. Raises ProductAwayError."""
        url = entry.registration.callback_url
        if entry.dialect == "remd":
            told = await self._soap(url, "sendRegisterDocumentResult", _result(answer))
            if told.operation != "sendRegisterDocumentResultResponse":
                raise ProductAwayError("the callback was not taken")
            soap.decode(told, told.operation, Answer)
            return
        status = await self.post(url, wire.encode(answer))
        if not 200 <= status < 300:
            raise ProductAwayError(f"callback answered {status}")

    async def post(self, url: str, body: bytes) -> int:
        """A proven body that may be no message at all; the status of the answer. Raises ProductAwayError."""
        headers = self.proof.headers("callback", "", body, clock.now())
        status, _ = await self._ask("POST", url, {"Content-Type": "application/json", **headers}, body)
        return status

    async def _soap(self, url: str, operation: str, message: object) -> soap.Envelope:
        header = Header(to=url, message_id=soap.new_id())
        body = soap.write(self.profile, operation, header, message)  # type: ignore[arg-type]  # one of messages.py
        headers = self.proof.headers("soap", operation, body, clock.now())
        status, answer = await self._ask("POST", url, {"Content-Type": soap.CONTENT_TYPE, **headers}, body)
        if status != 200:
            raise ProductAwayError(f"{operation} answered {status}")
        try:
            return soap.read(answer, self.profile, soap.MAX_FILE_ENVELOPE)
        except wire.WireError as error:
            raise ProductAwayError(error.message) from error

    async def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if not wire.under_allowed_base(url, self.bases):
            raise ProductAwayError("the address is not among the allowed ones")
        try:
            async with self._line().request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as response:
                return response.status, await _bounded(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ProductAwayError(f"{method} failed") from error


def _result(answer: wire.Callback) -> RegisterDocumentResult:
    return RegisterDocumentResult(
        relates_to_message=answer.relates_to_message,
        local_uid=answer.local_uid,
        status=answer.status,
        kind=answer.kind,
        organization=answer.organization,
        registry_item=answer.registry_item,
        errors=answer.errors,
    )


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    document = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        document += chunk
        if len(document) > MAX_DOCUMENT_BYTES:
            raise ProductAwayError("the document is too large")
    return bytes(document)
