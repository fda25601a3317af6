"""The only file that touches private names of aiortc 1.16.0 (pinned in pyproject.toml).

Of aiortc the relay uses the DTLS transport and the certificates; ICE, RTP and session descriptions are its own. Nothing
is patched globally: the classes here are subclasses, so that ordinary aiortc clients can live in the same process.
What is relied upon:

  RTCCertificate    _create_ssl_context
  RTCDtlsTransport  __init__(transport, certificates) that keeps `transport`, and of it calls _recv and _send only;
                    _srtp_profiles, _setup_srtp, _ssl, _role, _set_role, _rx_srtp, _tx_srtp

`tests/media/test_seam.py` fails loudly when a version or one of these names changes.
"""

import asyncio
from collections.abc import Callable
from typing import Literal, cast

import pylibsrtp
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
)
from aiortc.rtcicetransport import RTCIceTransport
from OpenSSL import SSL

from media.plane.table import SrtpKeys

AIORTC_VERSION = "1.16.0"

DTLS_1_2 = 0xFEFD
CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
QUEUE_LIMIT = 64  # datagrams waiting for DTLS; a handshake has half a dozen
PROFILES = [SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80]
NAMES: dict[bytes, Literal["AES128_GCM", "AES256_GCM", "AES128_CM_SHA1_80"]] = {
    SRTP_AEAD_AES_128_GCM.openssl_profile: "AES128_GCM",
    SRTP_AEAD_AES_256_GCM.openssl_profile: "AES256_GCM",
    SRTP_AES128_CM_SHA1_80.openssl_profile: "AES128_CM_SHA1_80",
}

RtcpError = pylibsrtp.Error


class RelayCertificate(RTCCertificate):
    """The worker's DTLS identity, made once per process; DTLS 1.2 and authenticated ciphers only."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        """One for all connections: making it costs as much as a third of a handshake."""
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            self._context.set_min_proto_version(DTLS_1_2)
            self._context.set_cipher_list(CIPHERS)
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return self._context

    @property
    def fingerprint(self) -> str:
        """As a=fingerprint says it."""
        first = next(one for one in self.getFingerprints() if one.algorithm == "sha-256")
        return f"{first.algorithm} {first.value}"


class DatagramPath:
    """What RTCDtlsTransport takes for an ICE transport: a bounded queue in, a function out."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_now = send
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._closed = False

    def feed(self, data: bytes) -> bool:
        """False when too many wait already."""
        if self._closed or self._queue.qsize() >= QUEUE_LIMIT:
            return False
        self._queue.put_nowait(data)
        return True

    def close(self) -> None:
        """Idempotent; whoever waits gets a ConnectionError."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)

    async def _recv(self) -> bytes:
        data = None if self._closed else await self._queue.get()
        if data is None:
            raise ConnectionError("closed")
        return data

    async def _send(self, data: bytes) -> None:
        self._send_now(data)


class RelayDtls(RTCDtlsTransport):
    """DTLS of one connection: makes the SRTP keys, keeps SRTCP to itself and sees no RTP."""

    def __init__(self, certificate: RelayCertificate, send: Callable[[bytes], None]) -> None:
        self._path = DatagramPath(send)
        super().__init__(cast("RTCIceTransport", self._path), [certificate])
        self._srtp_profiles = PROFILES
        self.keys: SrtpKeys | None = None

    async def handshake(self, fingerprints: tuple[tuple[str, str], ...], *, as_server: bool) -> None:
        """Returns when connected or failed (`state` says which); the other side must have a listed fingerprint."""
        self._set_role("server" if as_server else "client")
        listed = [RTCDtlsFingerprint(algorithm=name, value=value) for name, value in fingerprints]
        await self.start(RTCDtlsParameters(fingerprints=listed))

    def feed(self, data: bytes) -> bool:
        """A DTLS datagram of the other side; False when it was dropped."""
        return self._path.feed(data)

    async def close(self) -> None:
        """Say goodbye. Idempotent."""
        await self.stop()
        self._path.close()

    def unprotect_rtcp(self, data: bytes) -> bytes:
        """Raises RtcpError."""
        return self._rx_srtp.unprotect_rtcp(data)

    def protect_rtcp(self, data: bytes) -> bytes:
        return self._tx_srtp.protect_rtcp(data)

    def _setup_srtp(self) -> None:
        super()._setup_srtp()
        chosen = self._ssl.get_selected_srtp_profile() if self._ssl is not None else b""
        profile = next((one for one in PROFILES if one.openssl_profile == chosen), None)
        if profile is None or self._ssl is None:
            return
        length = 2 * (profile.key_length + profile.salt_length)
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", length)
        client, server = (profile.get_key_and_salt(material, side) for side in (0, 1))
        receive, send = (client, server) if self._role == "server" else (server, client)
        at = profile.key_length
        self.keys = SrtpKeys(NAMES[chosen], receive[:at], receive[at:], send[:at], send[at:])
