"""The private names of aiortc that media/aiortc_seam.py stands on.

When this fails after an upgrade, read the docstring of that file before changing anything here.
"""

import asyncio
import inspect
from importlib.metadata import version

import pytest
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsParameters, RTCDtlsTransport

from media import aiortc_seam as seam


def test_the_version_is_the_one_the_seam_was_written_for():
    assert version("aiortc") == seam.AIORTC_VERSION == "1.16.0"


@pytest.mark.parametrize("name", ["_srtp_profiles", "_ssl", "_role", "_rx_srtp", "_tx_srtp"])
async def test_the_transport_has(name: str):
    path = seam.DatagramPath(lambda _data: None)
    assert hasattr(RTCDtlsTransport(path, [RTCCertificate.generateCertificate()]), name)


def test_the_transport_asks_nothing_else_of_what_carries_it():
    """Of the ICE transport: its datagrams, and its role where the DTLS role is not set."""
    source = inspect.getsource(RTCDtlsTransport)
    asked = {
        part.split("(")[0].split(")")[0].split()[0].rstrip(":,")
        for part in source.split("self.transport.")[1:]
    }
    assert asked <= {"_recv", "_send", "role"}
    assert {"_setup_srtp", "_set_role"} <= set(dir(RTCDtlsTransport))
    assert "_create_ssl_context" in dir(RTCCertificate)


class Ends:
    """Two ends of a DTLS connection in one process."""

    def __init__(self) -> None:
        self.client = seam.RelayDtls(seam.RelayCertificate.generateCertificate(), self._to_server)
        self.server = seam.RelayDtls(seam.RelayCertificate.generateCertificate(), self._to_client)

    def _to_server(self, data: bytes) -> None:
        self.server.feed(data)

    def _to_client(self, data: bytes) -> None:
        self.client.feed(data)


def fingerprints(parameters: RTCDtlsParameters) -> tuple[tuple[str, str], ...]:
    return tuple((one.algorithm, one.value) for one in parameters.fingerprints)


async def shaken(ends: Ends) -> None:
    await asyncio.gather(
        ends.server.handshake(fingerprints(ends.client.getLocalParameters()), as_server=True),
        ends.client.handshake(fingerprints(ends.server.getLocalParameters()), as_server=False),
    )


async def test_both_ends_get_the_same_keys_crosswise():
    ends = Ends()
    await shaken(ends)
    ours, theirs = ends.server.keys, ends.client.keys
    assert ours is not None
    assert theirs is not None
    assert ours.profile == theirs.profile == "AES128_GCM"
    assert (ours.send_key, ours.send_salt) == (theirs.receive_key, theirs.receive_salt)
    assert (ours.receive_key, ours.receive_salt) == (theirs.send_key, theirs.send_salt)
    assert len(ours.send_key) == 16
    assert len(ours.send_salt) == 12
    await ends.client.close()
    await ends.server.close()


@pytest.mark.parametrize(
    "profile, name, key, salt",
    [
        (seam.SRTP_AEAD_AES_256_GCM, "AES256_GCM", 32, 12),
        (seam.SRTP_AES128_CM_SHA1_80, "AES128_CM_SHA1_80", 16, 14),
    ],
)
async def test_a_browser_with_one_profile_only_gets_it(profile, name, key, salt):
    ends = Ends()
    ends.client._srtp_profiles = [profile]
    await shaken(ends)
    assert ends.server.keys is not None
    assert ends.server.keys.profile == name
    assert (len(ends.server.keys.send_key), len(ends.server.keys.send_salt)) == (key, salt)
    await ends.client.close()
    await ends.server.close()


async def test_another_certificate_than_announced_gets_no_keys():
    ends = Ends()
    other = seam.RelayCertificate.generateCertificate()
    ends.client.getLocalParameters = lambda: RTCDtlsParameters(fingerprints=other.getFingerprints())
    await shaken(ends)
    assert ends.server.state == "failed"
    assert ends.server.keys is None
    await ends.client.close()
    await ends.server.close()


async def test_rtcp_of_one_end_is_read_by_the_other():
    ends = Ends()
    await shaken(ends)
    report = bytes.fromhex("80c90001deadbeef")
    assert ends.server.unprotect_rtcp(ends.client.protect_rtcp(report)) == report
    with pytest.raises(seam.RtcpError):
        ends.server.unprotect_rtcp(b"\x80\xc9" + bytes(40))
    await ends.client.close()
    await ends.server.close()


async def test_what_waits_for_the_handshake_is_bounded():
    path = seam.DatagramPath(lambda _data: None)
    fed = [path.feed(b"x") for _ in range(seam.QUEUE_LIMIT + 5)]
    assert fed.count(True) == seam.QUEUE_LIMIT
    path.close()
    path.close()
    assert not path.feed(b"x")
    with pytest.raises(ConnectionError):
        await path._recv()


def test_nothing_of_aiortc_is_patched():
    assert RTCCertificate._create_ssl_context.__module__ == "aiortc.rtcdtlstransport"
    assert RTCDtlsTransport._setup_srtp.__module__ == "aiortc.rtcdtlstransport"
