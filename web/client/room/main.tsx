import "./room.css";
import { render } from "preact";
import { speak, type Language } from "../live/words";
import { App } from "./app";
import { listen } from "./keys";
import { Room } from "./room";

const root = document.getElementById("room");
const consilium = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(location.pathname)?.[0];

if (root && consilium) {
  await speak(document.documentElement.lang as Language);
  const room = new Room(consilium);
  render(<App room={room} />, root);
  listen(room);
  room.start();
}
