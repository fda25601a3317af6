import "./room.css";
import { render } from "preact";
import { speak, type Language } from "../live/words";
import { App } from "./app";
import { listen } from "./keys";
import { Room } from "./room";

const root = document.getElementById("room");
const consilium = root?.dataset.consilium;

if (root && consilium) {
  await speak(document.documentElement.lang as Language);
  const room = new Room(consilium);
  root.replaceChildren();
  render(<App room={room} />, root);
  listen(room);
  room.start();
}
