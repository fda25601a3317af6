"""Media through the relay, with real sockets, ICE, DTLS and SRTP."""

import asyncio

from av import VideoFrame

from tests.media.rig import ROOM, Participant, Picture, Relay, Tone


async def test_two_people_hear_and_see_each_other(relay: Relay):
    await relay.ask("room.open", **ROOM)
    anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
    await anna.publish({"mic": Tone(), "camera": Picture(60)})
    await boris.publish({"mic": Tone(), "camera": Picture(200)})
    await anna.subscribe()
    await boris.subscribe()

    for watcher, sender, grey in ((anna, "boris", 200), (boris, "anna", 60)):
        video = await watcher.slot_with("camera", sender)
        audio = await watcher.slot_with("mic", sender)
        async with asyncio.timeout(10):
            picture = await watcher.track(video).recv()
            sound = await watcher.track(audio).recv()
        assert isinstance(picture, VideoFrame)
        assert abs(bytes(picture.planes[0])[0] - grey) < 12
        assert sound.sample_rate == 48000
    await anna.close()
    await boris.close()
