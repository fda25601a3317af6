"""The private names of aiortc and aioice that media/aiortc_seam.py stands on.

When this fails after an upgrade, read the docstring of that file before changing anything here.
"""

from importlib.metadata import version

import aioice.ice
import pytest
from aioice.ice import CandidatePair, Connection, StunProtocol
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceGatherer, RTCIceTransport

from media import aiortc_seam as seam
from media.stats import Counters


def test_the_versions_are_the_ones_the_seam_was_written_for():
    assert version("aiortc") == seam.AIORTC_VERSION == "1.16.0"
    assert version("aioice") == seam.AIOICE_VERSION == "0.13.0"


async def plain_pc() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


@pytest.mark.parametrize(
    "name",
    [
        "_RTCPeerConnection__certificates",
        "_RTCPeerConnection__connect",
        "_RTCPeerConnection__createDtlsTransport",
        "_RTCPeerConnection__createTransceiver",
        "_RTCPeerConnection__iceTransports",
        "_RTCPeerConnection__dtlsTransports",
        "_RTCPeerConnection__updateIceGatheringState",
        "_RTCPeerConnection__updateIceConnectionState",
        "_RTCPeerConnection__updateConnectionState",
    ],
)
async def test_the_peer_connection_has(name: str):
    pc = await plain_pc()
    assert hasattr(pc, name)
    await pc.close()


async def test_the_transports_have_their_names():
    gatherer = RTCIceGatherer(iceServers=[])
    connection = gatherer._connection
    for name in (
        "_local_candidates",
        "_local_candidates_start",
        "_local_candidates_end",
        "_protocols",
        "_early_checks",
        "_nominated",
        "_check_list",
        "_queue",
        "_closing",
    ):
        assert hasattr(connection, name), name
    for name in ("request_received", "check_incoming", "check_complete", "data_received", "query_consent"):
        assert callable(getattr(Connection, name)), name
    assert hasattr(StunProtocol, "datagram_received")
    assert hasattr(CandidatePair.State, "SUCCEEDED")
    assert hasattr(StunProtocol(connection), "transactions")
    dtls = RTCDtlsTransport(RTCIceTransport(gatherer), [RTCCertificate.generateCertificate()])
    for name in (
        "_srtp_profiles",
        "_rx_srtp",
        "_tx_srtp",
        "_handle_rtp_data",
        "_handle_rtcp_data",
        "_set_role",
    ):
        assert hasattr(dtls, name), name


async def test_aiortc_builds_its_parts_from_ours():
    counters = Counters()
    certificate = seam.RelayCertificate.generateCertificate()
    pc = seam.RelayPeerConnection(seam.SocketPlan(("127.0.0.1",)), certificate, counters)
    transceiver = pc.addTransceiver("audio", direction="sendonly")
    assert type(pc.dtls) is seam.RelayDtls
    assert type(pc.connection) is seam.RelayConnection
    assert transceiver.sender.send is seam._ignore
    assert transceiver.receiver.receive is seam._ignore
    assert pc.dtls.getLocalParameters().fingerprints == certificate.getFingerprints()
    await pc.setLocalDescription(await pc.createOffer())
    assert all(type(protocol) is seam.RelayProtocol for protocol in pc.connection._protocols)
    await pc.close()


def test_nothing_of_aiortc_is_patched():
    assert aioice.ice.StunProtocol is not seam.RelayProtocol
    assert seam.RTCPeerConnection.__module__ == "aiortc.rtcpeerconnection"
    assert aioice.ice.Connection.data_received.__module__ == "aioice.ice"
