"""The connection a person receives on: a fixed pool of slots, offered by the relay once and after every ICE restart."""

import secrets
from collections.abc import Callable

from media import offer, sdp
from media.downstream import Downstream
from media.engine import Engine
from media.errors import BadSdp, WrongState
from media.link import Link
from media.offer import Line
from media.plane.table import Kind, Slot
from media.stage import Stage


class Subscribe(Link):
    """What a person receives. `on_ready` is called when packets may flow."""

    def __init__(
        self,
        engine: Engine,
        peer: str,
        stage: Stage,
        on_state: Callable[[str, str], None],
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(engine, peer, "subscribe", on_state)
        self.answered = False
        self.downstream = Downstream(self.leg, engine.forwarder, self.send_rtcp, stage.keyframe)
        self._stage = stage
        self._lines: list[Line] = []
        self._awaited = False  # an offer is out
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
            self.leg.slots.append(slot)
            self.engine.forwarder.add_slot(slot)
        self.expect_connection()

    # --- what comes back ------------------------------------------------------------------------------

    def report(self) -> None:
        """Sender reports of the slots that flow, once a second after `refresh`."""
        self.downstream.report(self._stage.timestamp)

    def take_rtcp(self, data: bytes) -> None:
        if not self.downstream.rtcp(data):
            self.drops["bad_rtcp"] += 1

    def on_keys(self) -> None:
        self._on_ready()

    def on_moved(self) -> None:
        self.downstream.moved()

    def on_switched(self, slot: Slot) -> None:
        """Another source or layer flows: its clock is told at once, so that lips and voice stay together."""
        self.engine.forwarder.refresh([self.leg])
        self.downstream.report(self._stage.timestamp, [slot])

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
