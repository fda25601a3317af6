"""TURN credentials before the judge who counts: coturn, with the configuration that `consilium turn config` writes."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from aioice import stun
from aioice.turn import TurnClientTcpProtocol, TurnClientUdpProtocol

from consilium import clock
from consilium.coturn import ALLOCATIONS_OF_ONE
from consilium.settings import Settings
from signaling.turn import LIFETIME, TurnServers, credentials
from tests.services import Turn
from tests.signaling.conftest import Hall

pytestmark = pytest.mark.needs_coturn

Protocol = TurnClientUdpProtocol | TurnClientTcpProtocol
TCP_TRANSPORT = 0x06000000

UNAUTHORISED, FORBIDDEN, NO_ALLOCATION, UNSUPPORTED, OTHER_FAMILY, QUOTA = 401, 403, 437, 442, 443, 486


@asynccontextmanager
async def client(turn: Turn, username: str, credential: str, way: str = "udp") -> AsyncIterator[Protocol]:
    """A connection to coturn that has allocated nothing yet."""
    loop = asyncio.get_running_loop()
    arguments = (username, credential, 600, 500)
    if way == "udp":
        where = (turn.host, turn.port)
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: TurnClientUdpProtocol(where, *arguments), remote_addr=where
        )
    else:
        where = (turn.host, turn.tls_port if way == "tls" else turn.port)
        trusted = ssl.create_default_context(cafile=str(turn.certificate)) if way == "tls" else None
        transport, protocol = await loop.create_connection(
            lambda: TurnClientTcpProtocol(where, *arguments), *where, ssl=trusted
        )
    try:
        yield protocol
    finally:
        if protocol.refresh_task:
            await protocol.delete()
        transport.close()


async def refusal(turn: Turn, username: str, credential: str) -> int:
    """The code with which coturn refuses an allocation."""
    async with client(turn, username, credential) as protocol:
        with pytest.raises(stun.TransactionFailed) as refused:
            await protocol.connect()
        return int(refused.value.response.error_code)


def valid(turn: Turn, person: UUID | None = None, lifetime: timedelta = LIFETIME) -> tuple[str, str]:
    """Somebody's; nobody's quota is touched twice."""
    return credentials(person or uuid4(), turn.secret.encode(), clock.now() + lifetime)


@pytest.mark.parametrize("way", ["udp", "tcp", "tls"])
async def test_credentials_are_taken_on_every_rung(coturn: Turn, way: str):
    servers = TurnServers(tuple(coturn.urls.values()), coturn.secret.encode())
    given = servers.servers(uuid4(), clock.now())["servers"][0]
    async with client(coturn, given["username"], given["credential"], way) as protocol:
        host, port = await protocol.connect()
    assert host == coturn.host
    assert 49152 <= port < 65536


async def test_an_expired_or_forged_credential_is_refused(coturn: Turn):
    username, credential = valid(coturn)
    until, _, person = username.partition(":")
    longer = f"{int(until) + 3600}:{person}"
    another = f"{until}:{uuid4()}"
    assert await refusal(coturn, *valid(coturn, lifetime=timedelta(seconds=-1))) == UNAUTHORISED
    assert await refusal(coturn, longer, credential) == UNAUTHORISED
    assert await refusal(coturn, another, credential) == UNAUTHORISED
    assert await refusal(coturn, *credentials(uuid4(), b"guessed", clock.now() + LIFETIME)) == UNAUTHORISED


async def test_a_meeting_longer_than_its_credentials_is_not_cut(coturn: Turn):
    username, credential = valid(coturn, lifetime=timedelta(seconds=3))
    async with client(coturn, username, credential) as running:
        await running.connect()
        async with asyncio.timeout(10):
            while await newcomer(coturn, username, credential) == NO_ALLOCATION:
                await asyncio.sleep(0.05)
        assert await newcomer(coturn, username, credential) == UNAUTHORISED
        assert await refresh(running) == 0


async def newcomer(turn: Turn, username: str, credential: str) -> int:
    """What somebody is answered who comes now with these: known but without an allocation, or unknown."""
    async with client(turn, username, credential, "tcp") as protocol:
        return await refresh(protocol)


async def refresh(protocol: Protocol) -> int:
    request = stun.Message(stun.Method.REFRESH, stun.Class.REQUEST)
    request.attributes["LIFETIME"] = 600
    return await code(protocol, request)


async def code(protocol: Protocol, request: stun.Message) -> int:
    """0, or the code of the refusal."""
    try:
        await protocol.request_with_retry(request)
    except stun.TransactionFailed as refused:
        return int(refused.response.error_code)
    return 0


# One address of every special-purpose range (RFC 6890 and its registry), and one of the Internet.
ELSEWHERE = [
    "0.0.0.1", "10.55.0.1", "100.64.0.1", "127.0.0.2", "169.254.169.254", "172.16.0.1", "192.0.0.8", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.251", "240.0.0.1",
    "255.255.255.255", "8.8.8.8",
]  # fmt: skip
ELSEWHERE_6 = [
    "::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "100::1", "2001::1", "2001:db8::1",
    "2002:a00:1::1", "fc00::1", "fe80::1", "ff02::1", "2a00::1",
]  # fmt: skip


async def test_packets_go_to_the_media_relay_and_to_nobody_else(coturn: Turn):
    """A9: a TURN server that relays anywhere is a way into the whole hospital."""
    async with client(coturn, *valid(coturn)) as protocol:
        await protocol.connect()
        for method in (stun.Method.CREATE_PERMISSION, stun.Method.CHANNEL_BIND):
            answers = {peer: await permission(protocol, method, peer) for peer in ELSEWHERE + ELSEWHERE_6}
            refused = {FORBIDDEN, OTHER_FAMILY}
            assert {peer: code for peer, code in answers.items() if code not in refused} == {}
            assert await permission(protocol, method, coturn.host) == 0


async def permission(protocol: Protocol, method: stun.Method, peer: str) -> int:
    request = stun.Message(method, stun.Class.REQUEST)
    request.attributes["XOR-PEER-ADDRESS"] = (peer, 40_000)
    if method is stun.Method.CHANNEL_BIND:
        request.attributes["CHANNEL-NUMBER"] = 0x4000
    return await code(protocol, request)


async def test_nobody_gets_a_tcp_connection_out_of_it(coturn: Turn):
    async with client(coturn, *valid(coturn), "tcp") as protocol:
        request = stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST)
        request.attributes |= {"LIFETIME": 600, "REQUESTED-TRANSPORT": TCP_TRANSPORT}
        assert await code(protocol, request) == UNSUPPORTED


async def test_fresh_credentials_give_no_second_share(coturn: Turn):
    """The quota is the person's: asking for other credentials does not begin it anew."""
    person = uuid4()
    async with AsyncExitStack() as stack:
        for number in range(ALLOCATIONS_OF_ONE):
            fresh = valid(coturn, person, LIFETIME - timedelta(seconds=number))
            await (await stack.enter_async_context(client(coturn, *fresh))).connect()
        assert await refusal(coturn, *valid(coturn, person)) == QUOTA
        async with client(coturn, *valid(coturn)) as somebody_else:
            await somebody_else.connect()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_before_1_2_is_not_spoken(coturn: Turn):
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        assert await spoken(coturn, old_client(coturn, version)) == "TLSv1.2", "coturn 4.6 has no newer"
    assert handshake_in_memory(coturn, old_client(coturn, ssl.TLSVersion.TLSv1_1)) == "TLSv1.1"
    with pytest.raises(OSError):  # an alert, or the connection just ends
        await spoken(coturn, old_client(coturn, ssl.TLSVersion.TLSv1_1))


def old_client(turn: Turn, newest: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that would speak anything up to a version."""
    context = ssl.create_default_context(cafile=str(turn.certificate))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
    return context


async def spoken(turn: Turn, context: ssl.SSLContext) -> str:
    _, writer = await asyncio.open_connection(turn.host, turn.tls_port, ssl=context, ssl_handshake_timeout=3)
    try:
        return str(writer.get_extra_info("ssl_object").version())
    finally:
        writer.close()


def handshake_in_memory(turn: Turn, context: ssl.SSLContext) -> str:
    """What the same client agrees on with a server that takes everything."""
    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    lenient.load_cert_chain(turn.certificate, turn.certificate.with_suffix(".key"))
    lenient.set_ciphers("ALL:@SECLEVEL=0")
    lenient.minimum_version = ssl.TLSVersion.TLSv1
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(back, there, server_hostname=turn.host)
    server = lenient.wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server, client):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return str(client.version())


async def test_the_socket_gives_credentials_that_coturn_takes(hall: Hall, coturn: Turn):
    servers = TurnServers(tuple(coturn.urls.values()), coturn.secret.encode())
    member = await hall.socket("member1", enter=False)
    assert (await member.call("media.servers"))["servers"] == [], "none are configured"
    hall.signaling.rtc.turn = lambda person: servers.servers(person, clock.now())
    answer = await member.call("media.servers")
    (given,) = answer["servers"]
    assert given["urls"] == list(coturn.urls.values())
    assert given["username"].partition(":")[2] == str(hall.actor("member1").person_id), "an id, not a name"
    async with client(coturn, given["username"], given["credential"]) as protocol:
        await protocol.connect()


def test_the_secret_is_read_from_its_file(settings: Settings, tmp_path):
    (tmp_path / "secret").write_text("shared\n")
    urls = ("turn:turn.example:3478?transport=udp",)
    read = TurnServers.configured(replace(settings, turn_urls=urls, turn_secret_file=tmp_path / "secret"))
    assert read == TurnServers(urls, b"shared")
    assert "shared" not in repr(read)
    assert TurnServers.configured(settings).servers(uuid4(), clock.now()) == {"servers": [], "ttl": 0}
