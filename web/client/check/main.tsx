import { render } from "preact";

const root = document.getElementById("check");
if (root) render(<p role="status">…</p>, root);
