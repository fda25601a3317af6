"""What a forwarder does with a packet, said outright and asked of both."""

import itertools
import shutil
import struct
from dataclasses import replace

import pytest

from media.plane.python import PythonForwarder
from media.plane.table import (
    ADDRESSES,
    AUDIO_LEAD,
    MISSING_AGAIN,
    MISSING_FOR,
    SOURCES,
    SSRCS,
    STRAYS_A_SECOND,
    Slot,
)
from tests.media.desk import DELTA, KEY, NUMBERS, OUT_NUMBERS, OUT_RED, Desk, Out
from tests.media.packets import PROFILES, binding_request, make_keys, opener, redundant, rtp, sealer

MID, LEVEL, TIME, TURN = OUT_NUMBERS.mid, OUT_NUMBERS.level, OUT_NUMBERS.send_time, OUT_NUMBERS.orientation


def make_compiled():
    try:
        from media.plane.compiled import CompiledForwarder
    except ImportError as error:
        if shutil.which("gcc") is None:
            pytest.skip("no compiler here")
        pytest.fail(f"gcc is here and the compiled forwarder is not built: {error}")
    return CompiledForwarder()


@pytest.fixture(params=[PythonForwarder, make_compiled], ids=["python", "compiled"])
def desk(request):
    desk = Desk(request.param)
    yield desk
    desk.forwarder.close()


def talk(desk):
    """(publisher, his microphone, receiver, his audio slot), connected."""
    anna, boris = desk.publisher(), desk.receiver()
    mic, slot = anna.add("mic", "opus", (("", 11, 0),)), boris.add("audio")
    desk.forwarder.connect(slot, mic, 0)
    return anna, mic, boris, slot


def show(desk, codec="vp8"):
    """(publisher, his camera, receiver, his video slot), connected and flowing from number 100 on."""
    anna, boris = desk.publisher(), desk.receiver()
    camera, slot = anna.add("camera", codec, (("", 22, 23),)), boris.add()
    desk.forwarder.connect(slot, camera, 0)
    anna.show(100, payload=KEY if codec == "vp8" else b"\x65idr", marker=True)
    assert [out.seq for out in boris.take()] == [100]
    desk.heard.take()
    return anna, camera, boris, slot


@pytest.mark.parametrize("profile", PROFILES)
def test_a_voice_comes_with_the_receivers_numbers(desk, profile):
    anna, boris = desk.publisher(profile=profile), desk.receiver(profile=profile)
    mic, slot = anna.add("mic", "opus", (("", 11, 0),)), boris.add("audio")
    desk.forwarder.connect(slot, mic, 0)
    anna.say(500, 12345, b"hello", level=0x85, marker=True, csrcs=2, padding=3)
    assert boris.take() == [Out(1000, 109, 500, 12345, True, {MID: b"s0", LEVEL: b"\x85"}, b"hello")]


def test_what_is_heard_is_told(desk):
    anna, mic, boris, slot = talk(desk)
    anna.say(1, level=0x80 | 30)
    anna.say(2, level=0x80 | 30)
    assert desk.heard.take() == [
        ("voice", "anna", "mic"),
        ("flowing", "anna", "mic", 0, 11),
        ("switched", "boris", "s0", 0, False),
    ]
    desk.wait(0.5)
    anna.say(3, level=0x80 | 90)
    assert desk.heard.take() == []
    anna.say(4, level=0x80 | 50)
    assert desk.heard.take() == [("voice", "anna", "mic")]
    desk.forwarder.refresh([anna.leg, boris.leg])
    assert mic.loudest == 30 and mic.layers[0].packets == 4 and slot.packets == 4
    desk.forwarder.refresh([anna.leg])
    assert mic.loudest == 127


def test_a_picture_waits_for_a_key_frame_which_is_asked_for(desk):
    anna, boris = desk.publisher(), desk.receiver()
    camera, slot = anna.add("camera", "vp8", (("", 22, 23),)), boris.add()
    desk.forwarder.connect(slot, camera, 0)
    assert desk.events("keyframe_wanted") == [("keyframe_wanted", "anna", "camera", 0)]
    assert slot.waiting and slot.layer == -1
    anna.show(7)
    assert boris.take() == [] and slot.waiting
    anna.show(8, payload=KEY, marker=True, more=[(NUMBERS.orientation, b"\x01")])
    time = struct.pack("!L", int(desk.now * 2**18) & 0xFFFFFF)[1:]
    assert boris.take() == [Out(1000, 120, 8, 24000, True, {MID: b"s0", TURN: b"\x01", TIME: time}, KEY)]
    assert not slot.waiting and slot.layer == 0


def test_a_change_of_source_is_seamless(desk):
    anna, _camera, boris, slot = show(desk)
    other = desk.publisher("vera")
    screen = other.add("screen", "vp8", (("", 33, 34),))
    other.show(59990, ssrc=33)
    anna.show(101, payload=b"\x90\xc0\x87\xff\x05\x01pictures 2047, 5")
    boris.take()
    desk.wait(0.1)
    desk.forwarder.connect(slot, screen, 0)
    anna.show(102)
    other.show(60000, 70, payload=b"\x90\xc0\x85\x03\x40\x00key", ssrc=33)
    other.show(60001, 3070, payload=b"\x90\xc0\x85\x04\x41\x01next", ssrc=33)
    first, second = boris.take()
    assert (first.seq, first.ts) == (102, 101 * 3000 + 9000)
    assert first.payload == b"\x90\xc0\x88\x00\x06\x00key"
    assert (second.seq, second.ts) == (103, first.ts + 3000)
    assert second.payload == b"\x90\xc0\x88\x01\x07\x01next"
    other.show(59999, payload=DELTA, ssrc=33)  # from before the key frame
    assert boris.take() == [] and desk.drops(boris.leg) == {"late": 1}
    desk.forwarder.refresh([boris.leg])
    assert slot.ts_delta == (first.ts - 70) % 2**32


def test_seven_bit_picture_ids_stay_seven_bits(desk):
    anna, _camera, boris, slot = show(desk)
    anna.show(101, payload=b"\x90\x80\x87\xff\x01wide")
    other = desk.publisher("vera")
    desk.forwarder.connect(slot, other.add("screen", "vp8", (("", 33, 34),)), 0)
    other.show(5, payload=b"\x90\x80\x10\x00narrow", ssrc=33)
    assert boris.take()[-1].payload == b"\x90\x80\x00\x00narrow"  # 2048 in seven bits


def test_layers_are_learned_by_rid_and_changed_on_key_frames(desk):
    anna, boris = desk.publisher(), desk.receiver()
    mic = anna.add("mic", "opus", (("", 11, 0),))
    camera, slot = anna.add("camera", "vp8", (("l", 0, 0), ("h", 0, 0))), boris.add()
    assert mic.mid == "0" and camera.mid == "1"
    desk.forwarder.connect(slot, camera, 0)
    anna.show(10, payload=KEY, ssrc=50, mid=b"1", rid=b"l")
    anna.show(900, payload=KEY, ssrc=60, mid=b"1", rid=b"h")
    assert [out.seq for out in boris.take()] == [10]
    assert [layer.ssrc for layer in camera.layers] == [50, 60]
    desk.forwarder.choose(slot, 1)
    assert slot.waiting and slot.layer == 0
    anna.show(901, ssrc=60)
    anna.show(11, ssrc=50)
    assert boris.numbers() == [11]
    anna.show(902, payload=KEY, ssrc=60)
    anna.show(12, payload=KEY, ssrc=50)
    assert boris.numbers() == [12] and slot.layer == 1 and not slot.waiting
    desk.forwarder.choose(slot, -1)
    anna.show(903, payload=KEY, ssrc=60)
    assert boris.take() == [] and slot.layer == -1
    desk.forwarder.choose(slot, 1)
    anna.show(904, ssrc=60)
    anna.show(905, payload=KEY, ssrc=60)
    assert boris.numbers() == [13]


def test_a_new_encoder_takes_a_layer_over_when_the_old_one_is_silent(desk):
    anna, camera, boris, _slot = show(desk)
    anna.show(5, payload=KEY, ssrc=99, mid=b"0")
    assert boris.take() == [] and desk.drops(anna.leg) == {"unknown_ssrc": 1}
    desk.wait(1.0)
    anna.show(6, payload=KEY, ssrc=99, mid=b"0")
    assert boris.numbers() == [101]
    anna.show(101, ssrc=22)
    assert boris.take() == [] and desk.drops(anna.leg) == {"unknown_ssrc": 2}
    assert camera.layers[0].ssrc == 99


def test_an_ssrc_of_one_source_is_never_taken_for_another(desk):
    anna, _camera, boris, _slot = show(desk)
    anna.add("screen", "vp8", (("", 0, 0),))
    anna.show(101, ssrc=22, mid=b"1")
    assert boris.numbers() == [101]
    thief = anna.add("second", "vp8", (("", 22, 23),))
    anna.show(102, ssrc=22, mid=b"2")
    assert boris.numbers() == [102]
    desk.forwarder.refresh([anna.leg])
    assert thief.layers[0].ssrc == 0


def test_only_so_many_ssrcs_are_learned(desk):
    anna = desk.publisher()
    anna.add("camera")
    for number in range(SSRCS + 3):
        anna.show(1, ssrc=500 + number, mid=b"0")
        desk.wait(1.0)
    assert desk.drops(anna.leg) == {"unknown_ssrc": 3}


def test_a_layer_may_be_announced_anew_any_number_of_times(desk):
    anna, camera, boris, _slot = show(desk)
    for ssrc in range(500, 580):
        camera.layers[0].ssrc = ssrc
        desk.forwarder.update_source(camera)
        anna.show(1, payload=KEY, ssrc=ssrc)
    assert boris.numbers() == list(range(101, 181))
    anna.show(2, ssrc=578)
    assert boris.take() == [] and desk.drops(anna.leg) == {"unknown_ssrc": 1}


def test_what_was_learned_once_may_be_announced_again(desk):
    anna, boris = desk.publisher(), desk.receiver()
    camera, slot = anna.add("camera"), boris.add()
    desk.forwarder.connect(slot, camera, 0)
    anna.show(1, payload=KEY, ssrc=50, mid=b"0")
    assert camera.layers[0].ssrc == 50
    for ssrc in (60, 50):
        camera.layers[0].ssrc = ssrc
        desk.forwarder.update_source(camera)
    anna.show(2, payload=KEY, ssrc=50)
    assert boris.numbers() == [1, 2] and desk.drops(anna.leg) == {}


def test_a_source_that_was_heard_just_now_is_not_taken_over_when_it_comes_back(desk):
    anna, camera, _boris, _slot = show(desk)
    desk.forwarder.remove_source(camera)
    desk.forwarder.add_source(camera)
    anna.show(5, payload=KEY, ssrc=99, mid=b"0")
    assert desk.drops(anna.leg) == {"unknown_ssrc": 1}


def test_a_voice_is_given_what_it_said_before_its_slot(desk):
    anna, boris = desk.publisher(), desk.receiver()
    mic, slot = anna.add("mic", "opus", (("", 11, 0),)), boris.add("audio")
    for seq in range(30):
        anna.say(seq, level=0xFF)
        desk.wait(0.02)
    desk.forwarder.connect(slot, mic, 0)
    came = boris.take()
    expected = int(AUDIO_LEAD / 0.02)
    assert [out.seq for out in came] == list(range(30 - expected, 30))
    assert {out.elements[LEVEL] for out in came} == {b"\xff"}
    assert not slot.waiting and desk.events("switched") == [("switched", "boris", "s0", 0, False)]
    anna.say(30)
    assert boris.numbers() == [30]


@pytest.mark.parametrize("size, held", [(1024, 16), (1025, 15), (10, 64)])
def test_what_is_kept_is_bounded_in_packets_and_bytes(desk, size, held):
    anna, boris = desk.publisher(), desk.receiver()
    mic, slot = anna.add("mic", "opus", (("", 11, 0),)), boris.add("audio")
    for seq in range(70):
        anna.say(seq, payload=bytes(size))
    desk.forwarder.connect(slot, mic, 0)
    assert boris.numbers() == list(range(70 - held, 70))


@pytest.mark.parametrize("more", [0, 1])
def test_a_budget_lets_six_thousand_bytes_go_at_once_however_small_it_is(desk, more):
    anna, _camera, boris, _slot = show(desk)
    desk.forwarder.budget(boris.leg, 0)
    overhead = 12 + 4 + 8  # header, extension header, MID and send time padded
    for seq in range(101, 107):
        anna.show(seq, payload=b"\x10\x01" + bytes(1000 - overhead - 2 + more * (seq == 101)))
    assert len(boris.take()) == 6 - more
    assert desk.drops(boris.leg) == ({"budget": 1} if more else {})


def test_nothing_said_before_a_microphone_was_closed_is_sent_after_it(desk):
    anna, mic, boris, _slot = talk(desk)
    anna.say(1)
    mic.open = False
    desk.forwarder.update_source(mic)
    anna.say(2)
    assert boris.numbers() == [1] and desk.drops(anna.leg) == {"not_permitted": 1}
    second = boris.add("audio")
    desk.forwarder.connect(second, mic, 0)
    mic.open = True
    desk.forwarder.update_source(mic)
    assert boris.take() == []
    anna.say(300)
    assert [(out.ssrc, out.seq) for out in boris.take()] == [(1000, 2), (2000, 300)]


def test_an_opened_camera_is_asked_for_a_key_frame(desk):
    anna, camera, boris, _slot = show(desk)
    for is_open in (False, True):
        camera.open = is_open
        desk.forwarder.update_source(camera)
    assert desk.events("keyframe_wanted") == [("keyframe_wanted", "anna", "camera", 0)]
    anna.show(200)
    anna.show(201, payload=KEY)
    assert boris.numbers() == [101]


def test_redundancy_goes_out_as_the_receiver_takes_it(desk):
    anna, _mic, boris, slot = talk(desk)
    anna.say(1, payload=b"one")
    desk.forwarder.redundancy(slot, 2)
    for seq, said in ((2, b"two"), (3, b"three"), (5, b"five")):
        anna.say(seq, payload=said)
    came = boris.take()[1:]
    assert [out.payload_type for out in came] == [OUT_RED] * 3
    assert [out.payload for out in came] == [
        redundant(109, b"two", [(960, b"one")]),
        redundant(109, b"three", [(1920, b"one"), (960, b"two")]),
        redundant(109, b"five", []),
    ]


def test_incoming_redundancy_repairs_what_was_lost(desk):
    anna, boris = desk.publisher(), desk.receiver()
    mic, slot = anna.add("mic", "opus", (("", 11, 0),), red=63), boris.add("audio")
    desk.forwarder.connect(slot, mic, 0)
    anna.say(1, payload=redundant(111, b"one", [(960, b"zero")]), payload_type=63)
    anna.say(4, payload=redundant(111, b"four", [(1920, b"two"), (960, b"three")]), payload_type=63)
    assert [(out.seq, out.ts, out.payload) for out in boris.take()] == [
        (1, 960, b"one"),
        (2, 1920, b"two"),
        (3, 2880, b"three"),
        (4, 3840, b"four"),
    ]
    anna.say(3, payload=b"three itself, late")
    assert boris.take() == [] and desk.drops(anna.leg) == {}
    desk.forwarder.refresh([anna.leg])
    assert (mic.layers[0].packets, mic.layers[0].repeated) == (3, 2)


def test_what_is_missing_is_asked_for_and_repaired_by_rtx(desk):
    anna, camera, boris, _slot = show(desk)
    layer = camera.layers[0]
    anna.show(103)
    assert desk.events("gap") == [("gap", "anna", "camera", 0)]
    assert desk.forwarder.missing(layer) == [101, 102]
    assert desk.forwarder.missing(layer) == []
    desk.wait(MISSING_AGAIN + 0.001)
    anna.show(1, ts=303000, payload=b"\0\x65" + DELTA, ssrc=23, payload_type=97)
    anna.show(2, ts=303000, payload=b"\0\x65" + DELTA, ssrc=23, payload_type=97)
    assert [(out.seq, out.ts, out.payload) for out in boris.take()] == [
        (103, 309000, DELTA),
        (101, 303000, DELTA),
    ]
    assert desk.forwarder.missing(layer) == [102]
    desk.wait(MISSING_FOR)
    assert desk.forwarder.missing(layer) == []
    assert desk.events("keyframe_wanted") == [("keyframe_wanted", "anna", "camera", 0)]
    anna.show(300)
    assert desk.events("gap", "keyframe_wanted") == [("keyframe_wanted", "anna", "camera", 0)]


def test_lost_packets_are_sent_again_by_rtx(desk):
    anna, _camera, boris, slot = show(desk)
    other = desk.publisher("vera")
    screen = other.add("screen", "vp8", (("", 33, 34),))
    anna.show(101, marker=True)
    boris.take()
    desk.wait(0.5)
    assert desk.forwarder.retransmit(slot, [101, 100, 99, 102, 7]) == 2
    again = boris.take()
    assert [(out.ssrc, out.payload_type, out.seq, out.ts) for out in again] == [
        (1001, 121, 0, 303000),
        (1001, 121, 1, 300000),
    ]
    assert [out.payload for out in again] == [b"\0\x65" + DELTA, b"\0\x64" + KEY]
    assert (
        again[0].marker and again[0].elements[TIME] == struct.pack("!L", int(desk.now * 2**18) & 0xFFFFFF)[1:]
    )
    desk.forwarder.connect(slot, screen, 0)
    assert desk.forwarder.retransmit(slot, [101]) == 0
    desk.forwarder.refresh([boris.leg])
    assert boris.leg.counters.resent == 2 and slot.packets == 2


def test_a_receiver_without_rtx_is_sent_nothing_again(desk):
    anna, boris = desk.publisher(), desk.receiver()
    camera = anna.add("camera", "vp8", (("", 22, 23),))
    slot = boris.add(types={"vp8": (120, -1)})
    desk.forwarder.connect(slot, camera, 0)
    anna.show(100, payload=KEY)
    assert boris.numbers() == [100]
    assert desk.forwarder.retransmit(slot, [100]) == 0 and boris.take() == []


def test_a_codec_the_receiver_does_not_take_is_counted(desk):
    anna, boris = desk.publisher(), desk.receiver()
    slot = boris.add(types={"vp8": (120, 121)})
    desk.forwarder.connect(slot, anna.add("camera", "h264", (("", 22, 23),)), 0)
    anna.show(1, payload=b"\x65idr")
    assert boris.take() == [] and desk.drops(boris.leg) == {"payload_type": 1}


def test_a_budget_cuts_pictures_to_the_end_of_the_frame_and_never_a_voice(desk):
    anna, _camera, boris, _slot = show(desk)
    mic = anna.add("mic", "opus", (("", 11, 0),))
    voice = boris.add("audio")
    desk.forwarder.connect(voice, mic, 0)
    desk.forwarder.budget(boris.leg, 80_000)  # 10 000 bytes a second, 6000 at once
    for seq in range(101, 109):
        anna.show(seq, ts=303000, payload=b"\x00\x01" + bytes(1000))
    anna.show(109, ts=303000, payload=b"\x00")
    anna.say(1)
    assert [(out.ssrc, out.seq) for out in boris.take()] == [
        *((1000, seq) for seq in range(101, 106)),
        (2000, 1),
    ]
    assert desk.drops(boris.leg) == {"budget": 4}
    desk.wait(0.2)
    anna.show(110, payload=b"\x10\x01" + bytes(1000))
    assert boris.numbers() == [110]
    desk.forwarder.budget(boris.leg, -1)
    for seq in range(111, 131):
        anna.show(seq, payload=b"\x10\x01" + bytes(1000))
    assert len(boris.take()) == 20


def test_a_flood_is_let_through_for_a_second_and_no_longer(desk):
    anna = desk.publisher(ceiling=80_000)
    anna.add("camera", "vp8", (("", 22, 23),))
    for seq in range(12):
        anna.show(seq, payload=bytes(972))  # 1000 bytes with header and tag
    assert desk.drops(anna.leg) == {"flood": 2}
    desk.wait(0.1)
    anna.show(12, payload=bytes(972))
    assert desk.drops(anna.leg) == {"flood": 2}


def test_a_strangers_rtcp_is_shown_a_few_times_a_second(desk):
    desk.publisher()
    report, packet = b"\x80\xc9" + bytes(30), b"\x80\x60" + bytes(30)
    for _ in range(STRAYS_A_SECOND + 10):
        desk.feed(("192.0.2.9", 5), report)
        desk.feed(("192.0.2.9", 5), packet)
    assert desk.events("stray") == [("stray", 0, ("192.0.2.9", 5), report)] * STRAYS_A_SECOND
    desk.wait(0.1)
    for _ in range(10):
        desk.feed(("192.0.2.9", 5), report)
    assert len(desk.events("stray")) == STRAYS_A_SECOND // 10
    assert desk.strangers() == {"stranger": 2 * STRAYS_A_SECOND + 30}


def test_strangers_and_junk_are_counted_and_go_nowhere(desk):
    anna, _mic, boris, _slot = talk(desk)
    stranger = ("192.0.2.9", 5)
    sealed = sealer(anna.keys).protect(rtp(11, 1, 1, b"x", 111))
    for data in (
        b"",
        b"\x80",
        b"\x05\x05",
        b"\x80\x60" + bytes(30),
        b"\x16\xfe",
        sealed,
        bytes(1501),
        bytes(40),
    ):
        desk.feed(stranger, data)
    assert desk.strangers() == {"unknown_kind": 3, "stranger": 3, "too_long": 1, "bad_stun": 1}
    assert desk.heard.take() == [] and boris.take() == []
    desk.feed(anna.address, bytes([20]) + b"dtls")
    desk.feed(anna.address, b"\x80\xc8rtcp")
    assert desk.heard.take() == [
        ("dtls", "anna", anna.address, b"\x14dtls"),
        ("rtcp", "anna", b"\x80\xc8rtcp"),
    ]


def test_forged_and_repeated_packets_are_refused(desk):
    anna, _mic, boris, _slot = talk(desk)
    first = anna.say(1)
    desk.feed(anna.address, first)
    forged = bytearray(anna.sealer.protect(rtp(11, 2, 960, b"forged", 111)))
    forged[-1] ^= 1
    desk.feed(anna.address, bytes(forged))
    desk.feed(anna.address, first[:20])
    assert boris.numbers() == [1]
    assert desk.drops(anna.leg) == {"replay": 1, "auth": 1, "malformed": 1}


@pytest.mark.parametrize(
    "packet",
    [
        rtp(11, 2, 960, b"x", 111, padding=200)[:-1] + b"\xff",  # more padding than packet
        rtp(11, 2, 960, b"", 111, padding=1)[:-1] + b"\x00",
        rtp(11, 2, 960, b"x", 111, block=b"\x1fabc"),  # an element past its block
    ],
)
def test_a_malformed_packet_of_an_honest_sender_is_dropped(desk, packet):
    anna, _mic, boris, _slot = talk(desk)
    anna.send(packet)
    assert boris.take() == [] and desk.drops(anna.leg) == {"malformed": 1}


def test_packets_that_carry_nothing_are_padding(desk):
    anna, camera, boris, _slot = show(desk)
    anna.show(101, payload=b"", padding=100)
    anna.show(1, payload=b"\0\x65", ssrc=23, payload_type=97, padding=50)
    anna.show(102)
    assert boris.numbers() == [102] and desk.drops(anna.leg) == {"padding": 2}
    assert desk.forwarder.missing(camera.layers[0]) == []


def test_a_payload_type_nobody_announced_is_dropped(desk):
    anna, _camera, boris, _slot = show(desk)
    anna.show(101, payload_type=97)  # RTX on the SSRC of the media
    anna.show(1, payload_type=96, ssrc=23)  # media on the SSRC of the RTX
    anna.show(102, payload_type=50)
    assert boris.take() == [] and desk.drops(anna.leg) == {"payload_type": 3}


def test_a_binding_request_is_told_only_with_the_right_password(desk):
    anna = desk.publisher()
    desk.forwarder.credentials(anna.leg, "first", "one")
    desk.forwarder.credentials(anna.leg, "second", "two")
    address = ("198.51.100.7", 4000)
    for user, password in (
        (b"first:x", b"one"),
        (b"second:x", b"two"),
        (b"second:x", b"one"),
        (b"third:x", b"one"),
    ):
        desk.feed(address, binding_request(user, password))
    assert [event[:4] for event in desk.events("stun")] == [("stun", "anna", 0, address)] * 2
    desk.forwarder.credentials(anna.leg, "third", "three")
    desk.feed(address, binding_request(b"first:x", b"one"))
    assert desk.events("stun") == [] and desk.strangers() == {"bad_stun": 3}


def test_an_address_belongs_to_whom_it_was_given_last(desk):
    anna, vera = desk.publisher(), desk.publisher("vera")
    desk.feed(anna.address, b"\x14x")
    desk.forwarder.admit(vera.leg, 0, anna.address)
    desk.feed(anna.address, b"\x14x")
    assert [event[1] for event in desk.events("dtls")] == ["anna", "vera"]
    for port in range(ADDRESSES - 1):
        desk.forwarder.admit(vera.leg, 0, ("127.0.0.2", port + 1))
    desk.feed(anna.address, b"\x14x")
    assert [event[1] for event in desk.events("dtls")] == ["vera"]
    desk.forwarder.admit(vera.leg, 0, ("127.0.0.2", 999))
    desk.feed(anna.address, b"\x14x")
    assert desk.events("dtls") == [] and desk.strangers() == {"stranger": 1}


def test_a_tapped_source_is_told_in_clear(desk):
    anna, camera, _boris, _slot = show(desk)
    camera.tap = True
    desk.forwarder.update_source(camera)
    anna.show(101, marker=True, csrcs=1)
    anna.show(1, ts=309000, payload=b"\0\x67" + DELTA, ssrc=23, payload_type=97)
    assert [event[4] for event in desk.events("tapped")] == [
        rtp(22, 101, 303000, DELTA, 96, marker=True),
        rtp(22, 103, 309000, DELTA, 96),
    ]


def test_arrivals_are_remembered_for_feedback(desk):
    anna = desk.publisher()
    anna.add("camera", "vp8", (("", 22, 23),))
    for number in (65535, 0):
        anna.show(number, more=[(NUMBERS.transport_seq, struct.pack("!H", number))])
        desk.wait(0.25)
    assert desk.forwarder.take_arrivals(anna.leg) == [(65535, 1_000_000_000), (0, 1_000_250_000)]
    assert desk.forwarder.take_arrivals(anna.leg) == []


def test_other_keys_begin_a_new_context_and_the_same_do_not(desk):
    anna, _mic, boris, _slot = talk(desk)
    first = anna.say(65535)
    desk.forwarder.key(anna.leg, anna.keys)
    desk.feed(anna.address, first)
    assert desk.drops(anna.leg) == {"replay": 1}
    anna.say(0)
    anna.say(1)
    assert boris.numbers() == [65535, 0, 1]
    keys = make_keys(seed="later")
    desk.forwarder.key(boris.leg, keys)
    boris.opener = opener(keys)
    anna.say(2)
    assert boris.numbers() == [2]


def test_a_receiver_without_keys_or_direction_is_passed_over(desk):
    anna = desk.publisher()
    mic = anna.add("mic", "opus", (("", 11, 0),))
    boris = desk.receiver()
    slot = boris.add("audio")
    deaf = desk.receiver("deaf")
    desk.forwarder.remove_leg(deaf.leg)
    desk.forwarder.add_leg(deaf.leg)
    ear = deaf.add("audio")
    for each in (slot, ear):
        desk.forwarder.connect(each, mic, 0)
    anna.say(1)
    assert boris.numbers() == [1] and deaf.take() == []
    desk.forwarder.refresh([deaf.leg])
    assert ear.waiting and desk.drops(deaf.leg) == {}


def test_what_is_removed_is_silent_and_removing_twice_is_allowed(desk):
    anna, mic, boris, slot = talk(desk)
    anna.say(1)
    for _ in range(2):
        desk.forwarder.remove_source(mic)
    assert (slot.source, slot.layer, slot.waiting) == (None, -1, False)
    anna.say(2)
    for _ in range(2):
        desk.forwarder.remove_leg(anna.leg)
    anna.say(3)
    assert boris.numbers() == [1] and desk.strangers() == {"stranger": 1}
    desk.forwarder.remove_leg(boris.leg)
    with pytest.raises(LookupError):
        desk.forwarder.update_leg(boris.leg)


def test_what_makes_no_sense_is_refused(desk):
    anna, mic, boris, slot = talk(desk)
    camera, picture = anna.add("camera"), boris.add()
    with pytest.raises(ValueError):
        desk.forwarder.connect(picture, mic, 0)
    with pytest.raises(ValueError):
        desk.forwarder.connect(picture, camera, 1)
    with pytest.raises(ValueError):
        desk.forwarder.choose(picture, 0)
    with pytest.raises(ValueError):
        desk.forwarder.redundancy(slot, 3)
    desk.forwarder.credentials(anna.leg, "taken", "x")
    with pytest.raises(ValueError):
        desk.forwarder.credentials(boris.leg, "taken", "x")
    with pytest.raises(ValueError):
        desk.forwarder.key(anna.leg, replace(anna.keys, send_salt=b"short"))
    for ssrc, rtx_ssrc in ((slot.ssrc, 7), (8, picture.rtx_ssrc), (9, 9)):
        with pytest.raises(ValueError):
            desk.forwarder.add_slot(Slot(boris.leg, "x", "video", ssrc, rtx_ssrc, {}))
    with pytest.raises(ValueError):
        anna.add("screen", "vp8", (("l", 0, 0),) * 4)
    with pytest.raises(ValueError):
        anna.add("screen", "vp8", (("l" * 17, 0, 0),))
    for number in range(SOURCES - 2):
        anna.add(f"screen{number}")
    with pytest.raises(ValueError):
        anna.add("one more")


def test_no_number_goes_out_twice_even_when_a_sender_repeats_an_old_one(desk):
    """An RTX packet of something that has left the ring would use a nonce twice; the receiver's opener refuses."""
    anna, _camera, boris, _slot = show(desk)
    for seq in range(101, 1300):
        anna.show(seq)
    assert len(boris.take()) == 1199
    for number, old in enumerate((150, 700, 1250)):
        anna.show(number, payload=struct.pack("!H", old) + b"\x10\x01other", ssrc=23, payload_type=97)
    assert boris.take() == []


def test_numbers_wrap_on_both_sides(desk):
    anna, mic, boris, _slot = talk(desk)
    anna.say(65000, ts=2**32 - 1000)
    for step in range(1, 140_000):
        if step % 1000 == 0 or step % 65536 in (0, 1, 535, 536, 537):
            anna.say((65000 + step) & 0xFFFF, ts=(2**32 - 1000 + 960 * step) & 0xFFFFFFFF)
    came = boris.take()
    assert len(came) > 140
    assert all(0 < (b.seq - a.seq) & 0xFFFF <= 1000 for a, b in itertools.pairwise(came))
    desk.forwarder.refresh([anna.leg])
    assert mic.layers[0].highest == 65000 + 139_000
