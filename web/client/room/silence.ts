// One-way audio in words, for whoever is not heard and for whoever does not hear him.
import { t } from "../live/words";
import type { Id } from "../live/wire";
import type { Room } from "./room";
import { nameAt } from "./select";

interface OneWay {
  seat: Id; // whose microphone is on
  by: Id | null; // who does not hear him
}

const AGAIN_AFTER = 20_000; // milliseconds in which the same is not said twice

export function listenForSilence(room: Room): void {
  const said = new Map<string, number>();
  const say = (key: string, seat: Id | null): void => {
    const snapshot = room.snapshot.value;
    if (!snapshot || Date.now() - (said.get(`${key} ${seat}`) ?? 0) < AGAIN_AFTER) return;
    said.set(`${key} ${seat}`, Date.now());
    const text = t(key, { name: nameAt(snapshot, seat) });
    room.notify(text);
    room.say(text);
  };
  const me = (): Id | undefined => room.snapshot.value?.me.seat;
  room.live
    .on<OneWay>("media.unheard", ({ seat, by }) => {
      if (by === me()) say("media.unheard.here", seat);
      else if (seat === me()) say("media.unheard.there", by);
    })
    .on<OneWay>("media.unsent", ({ seat, by }) => {
      if (seat !== me()) return by === me() ? say("media.unsent.there", seat) : undefined;
      say("media.unsent.here", seat);
      void room.capture.setMic(room.capture.micOn.value); // a track that ended is opened anew
      room.media.publish.rebuild();
    });
}
