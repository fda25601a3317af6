"""SRTP of one leg by libsrtp, as pylibsrtp ships it (RFC 3711, RFC 7714); RTP only.

pylibsrtp's own `Session` takes packets of at most 1356 bytes and copies each twice more than needed, so libsrtp is
called through the same cffi library (importing the package has initialised it). All sessions share one scratch
area: what they leave in it is valid until the next call of any of them, and only one thread may use them.
"""

import socket

from pylibsrtp._binding import ffi, lib

from media.plane.table import MAX_DATAGRAM, REPLAY_WINDOW, SrtpKeys

_REPLAYED = (9, 10)  # srtp_err_status_replay_fail, srtp_err_status_replay_old
TAG_BYTES = {"AES128_GCM": 16, "AES256_GCM": 16, "AES128_CM_SHA1_80": 10}
_PROFILES = {
    "AES128_GCM": lib.srtp_profile_aead_aes_128_gcm,
    "AES256_GCM": lib.srtp_profile_aead_aes_256_gcm,
    "AES128_CM_SHA1_80": lib.srtp_profile_aes128_cm_sha1_80,
}

ROOM = MAX_DATAGRAM + 128  # bytes of a packet; one grows on its way by our header extensions and RTX
TRAILER = 144  # bytes libsrtp may write behind it
_area = ffi.new("unsigned char[]", ROOM + TRAILER)
_length = ffi.new("int *")
scratch = memoryview(ffi.buffer(_area))
_protect = lib.srtp_protect
_unprotect = lib.srtp_unprotect
_copy = ffi.memmove


class Session:
    """One direction of one leg: a master key and the contexts of its SSRCs."""

    __slots__ = ("_context", "tag")

    def __init__(self, keys: SrtpKeys, direction: str) -> None:
        inbound = direction == "receive"
        key, salt = (keys.receive_key, keys.receive_salt) if inbound else (keys.send_key, keys.send_salt)
        profile = _PROFILES[keys.profile]
        expected = (
            lib.srtp_profile_get_master_key_length(profile),
            lib.srtp_profile_get_master_salt_length(profile),
        )
        if (len(key), len(salt)) != expected:  # libsrtp would read past a shorter one
            raise ValueError(f"keys of the wrong length for {keys.profile}")
        policy = ffi.new("srtp_policy_t *")
        lib.srtp_crypto_policy_set_from_profile_for_rtp(ffi.addressof(policy.rtp), profile)
        lib.srtp_crypto_policy_set_from_profile_for_rtcp(ffi.addressof(policy.rtcp), profile)
        master = ffi.new("unsigned char[]", key + salt)
        policy.key = master
        policy.ssrc.type = lib.ssrc_any_inbound if inbound else lib.ssrc_any_outbound
        policy.window_size = REPLAY_WINDOW
        created = ffi.new("srtp_t *")
        status = lib.srtp_create(created, policy)
        if status:
            raise ValueError(f"no SRTP session: libsrtp status {status}")
        owner = ffi.gc(created, lambda pointer: lib.srtp_dealloc(pointer[0]))
        self._context = (owner, owner[0])
        self.tag = TAG_BYTES[keys.profile]

    def unprotect(self, data: bytes) -> int:
        """Length of the RTP packet now in `scratch`; negative: what libsrtp found wrong."""
        size = len(data)
        if size > ROOM:
            raise ValueError("longer than any datagram")
        _length[0] = size
        _copy(_area, data, size)
        status: int = _unprotect(self._context[1], _area, _length)
        if status:
            return -status
        length: int = _length[0]
        return length

    def protect(self, packet: bytes) -> int:
        """Length of the SRTP packet now in `scratch`; negative: what libsrtp found wrong."""
        size = len(packet)
        if size > ROOM:
            raise ValueError("longer than any datagram")
        _length[0] = size
        _copy(_area, packet, size)
        status: int = _protect(self._context[1], _area, _length)
        if status:
            return -status
        length: int = _length[0]
        return length

    def forget(self, ssrc: int) -> None:
        """Drop the context of an SSRC, if there is one."""
        lib.srtp_remove_stream(self._context[1], socket.htonl(ssrc))


def why_refused(data: bytes, session: Session, status: int) -> str:
    """The reason (`table.LegCounters`) behind a negative result of `unprotect`."""
    if not _fits(data, session.tag):
        return "malformed"
    return "replay" if -status in _REPLAYED else "auth"


def _fits(data: bytes, tag: int) -> bool:
    """Whether header, CSRCs, extension block and tag of an SRTP packet lie inside the datagram."""
    room = len(data) - tag
    if room < 12:
        return False
    start = 12 + 4 * (data[0] & 0x0F)
    if data[0] & 0x10:
        start += 4
        if start <= room:
            start += 4 * int.from_bytes(data[start - 2 : start], "big")
    return start <= room
