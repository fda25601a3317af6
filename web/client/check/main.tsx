import "./check.css";
import { render } from "preact";
import { speak, type Language } from "../live/words";
import { Capture } from "../media/capture";
import { Check } from "./check";

const root = document.getElementById("check");
const consilium = root?.dataset.consilium;

if (root && consilium) {
  await speak(document.documentElement.lang as Language);
  const capture = new Capture();
  root.replaceChildren();
  render(<Check capture={capture} consilium={consilium} />, root);
  await capture.open({ micOn: true, cameraOn: true });
}
