"""The connection a person receives on: a fixed pool of slots, offered by the relay once and after every ICE restart."""

import secrets
import time
from collections.abc import Callable

from media import feedback, offer, sdp
from media.engine import Engine
from media.errors import BadSdp, WrongState
from media.link import Link
from media.offer import Line
from media.plane.table import Kind, Slot
from media.publish import Stream
from media.repair import Resends

View = list[dict[str, str | None]]


class Subscribe(Link):
    """What a person receives."""

    def __init__(
        self, engine: Engine, peer: str, on_state: Callable[[str, str], None], on_ready: Callable[[], None]
    ) -> None:
        super().__init__(engine, peer, "subscribe", on_state)
        self.slots: list[Slot] = []
        self.shown: dict[Slot, Stream] = {}
        self.by_ssrc: dict[int, Slot] = {}
        self.heard: dict[Slot, feedback.Heard] = {}
        self.rtt: float | None = None
        self.answered = False
        self.told: View = []  # the view signaling knows
        self._lines: list[Line] = []
        self._awaited = False  # an offer is out
        self._connected_at: dict[Slot, float] = {}
        self._resends = Resends()
        self._on_ready = on_ready
        engine.subscribes[self.leg] = self

    # --- negotiation ----------------------------------------------------------------------------------

    def offer(self, audio: int, video: int) -> str:
        """The offer with its pool. Slot i of either kind is in stream `slot-i`, for lip synchronisation."""
        numbers = _ssrcs(audio + 2 * video)
        counts: dict[Kind, int] = {"audio": audio, "video": video}
        for kind, count in counts.items():
            for index in range(count):
                self._lines.append(self._line(kind, index, numbers))
        return self._offer()

    def restart(self) -> str:
        """The same offer with fresh ICE credentials; raises WrongState before the first one is answered."""
        if not self.answered:
            raise WrongState("the offer before has not been answered")
        self.ice.restart()
        return self._offer()

    def accept(self, answer: sdp.Description) -> None:
        """Take the browser's answer; raises WrongState, BadSdp."""
        if not self._awaited:
            raise WrongState("this offer has been answered")
        if answer.setup == "actpass":
            raise BadSdp("an answer must choose its a=setup")
        self.start_dtls(answer)
        self._awaited = False
        if self.answered:
            return
        self.answered = True
        found, self.leg.extensions = offer.taken(self._lines, answer)
        self.engine.forwarder.update_leg(self.leg)
        for one in found:
            line = one.line
            slot = Slot(self.leg, line.mid, line.kind, line.ssrc, line.rtx_ssrc, one.payload_types, one.red)
            self.slots.append(slot)
            self.leg.slots.append(slot)
            self.by_ssrc[slot.ssrc] = slot
            self.engine.forwarder.add_slot(slot)
        self.expect_connection()

    # --- what is shown --------------------------------------------------------------------------------

    def view(self) -> View:
        """What the slots carry, as the wire tells it."""
        return [
            {
                "mid": slot.mid,
                "kind": slot.kind,
                "from": shown.peer if (shown := self.shown.get(slot)) is not None else None,
                "source": shown.name if shown is not None else None,
            }
            for slot in self.slots
        ]

    def show(self, slot: Slot, stream: Stream | None) -> None:
        """Put a source into a slot, in place of what it carried before."""
        before = self.shown.pop(slot, None)
        if before is not None:
            before.slots.discard(slot)
        if self.closed:
            return
        if stream is None:
            self.engine.forwarder.connect(slot, None, 0)
            return
        self.shown[slot] = stream
        stream.slots.add(slot)
        self._connected_at[slot] = time.monotonic()
        layer = stream.best_layer()
        self.engine.forwarder.connect(slot, stream.source, layer)
        if slot.kind == "video":
            stream.ask_keyframe(stream.source.layers[layer])

    def clear(self) -> None:
        """Nothing is shown any more."""
        for slot in self.slots:
            if slot in self.shown:
                self.show(slot, None)

    def ask_missing_keyframes(self, now: float) -> None:
        for slot, stream in self.shown.items():
            if slot.waiting and slot.kind == "video" and now - self._connected_at[slot] > 1:
                stream.ask_keyframe(stream.source.layers[max(0, slot.wanted)])

    # --- what comes back ------------------------------------------------------------------------------

    def take_rtcp(self, data: bytes) -> None:
        feedback.on_receiver_rtcp(self, data)

    def ask_keyframe(self, ssrc: int) -> None:
        """The receiver cannot decode this slot."""
        slot = self.by_ssrc.get(ssrc)
        stream = self.shown.get(slot) if slot is not None else None
        if slot is not None and stream is not None and slot.kind == "video":
            stream.ask_keyframe(stream.source.layers[max(0, slot.wanted)])

    def resend(self, ssrc: int, lost: list[int]) -> None:
        slot = self.by_ssrc.get(ssrc)
        if slot is None or slot.rtx_ssrc == 0:
            return
        self._resends.sent(self.leg.counters.packets_out)
        wanted = self._resends.answer(ssrc, lost, self.rtt, time.monotonic())
        if wanted:
            self.engine.forwarder.retransmit(slot, wanted)

    def on_keys(self) -> None:
        self._on_ready()

    def on_switched(self, slot: Slot) -> None:
        """Another layer flows."""

    # --- inside ---------------------------------------------------------------------------------------

    def _line(self, kind: Kind, index: int, numbers: list[int]) -> Line:
        rtx = numbers.pop() if kind == "video" else 0
        return Line(str(len(self._lines)), kind, f"slot-{index}", numbers.pop(), rtx)

    def _offer(self) -> str:
        self._awaited = True
        return offer.write(self._lines, self.describe("actpass"))


def _ssrcs(count: int) -> list[int]:
    """So many SSRCs that differ, none of them 0."""
    numbers: set[int] = set()
    while len(numbers) < count:
        numbers.add(secrets.randbits(32) or 1)
    return list(numbers)
