// A page on the stage: drawn sharp at its size, moved by hand, with the presenter's named pointer over it.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../live/words";
import { useRoom, useSnapshot } from "../room/context";
import { leads, nameAt } from "../room/select";
import { inside, onPage, onStage, panned, placed, type Placed, type Point, type Size, WHOLE, zoomed } from "./geometry";
import type { Loaded } from "./loaded";

function useSize(): [(element: HTMLElement | null) => void, Size] {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  const watcher = useRef<ResizeObserver | null>(null);
  const [ref] = useState(() => (element: HTMLElement | null): void => {
    watcher.current?.disconnect();
    if (!element) return;
    const read = (): void => setSize({ width: element.clientWidth, height: element.clientHeight });
    watcher.current = new ResizeObserver(read);
    watcher.current.observe(element);
    read();
  });
  return [ref, size];
}

export function PageStage({ loaded }: { loaded: Loaded }) {
  const room = useRoom();
  const snapshot = useSnapshot();
  const { viewer } = room;
  const shown = viewer.shown.value;
  const [ref, stage] = useSize();
  const [page, setPage] = useState<Size | null>(null);
  const number = shown?.page ?? 1;
  const mine = leads(snapshot);
  useEffect(() => {
    let asked = true;
    void loaded.size(number).then((size) => asked && setPage(size));
    return () => { asked = false; };
  }, [loaded, number]);
  if (!shown) return null;
  if (loaded.text !== undefined) return <pre class="viewer-text" tabIndex={0} data-testid="page" data-page="1">{loaded.text}</pre>;
  const place = page && stage.width > 0 ? placed(shown, page, stage) : null;

  const at = (event: MouseEvent & { currentTarget: HTMLElement }): Point => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const drag = (event: PointerEvent & { currentTarget: HTMLElement }): void => {
    if (!place) return;
    if (event.buttons === 1) viewer.look(panned(shown, { x: event.movementX, y: event.movementY }, place), mine);
    const point = onPage(at(event), place);
    viewer.point(inside(point) ? point : null, mine);
  };
  const wheel = (event: WheelEvent & { currentTarget: HTMLElement }): void => {
    event.preventDefault();
    if (place) viewer.look(zoomed(shown, event.deltaY < 0 ? 1.15 : 1 / 1.15, onPage(at(event), place)), mine);
  };
  const keys = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (step && place) viewer.look(panned(shown, { x: step[0] ?? 0, y: step[1] ?? 0 }, place), mine);
    else if (event.key === "+" || event.key === "=") viewer.look(zoomed(shown, 1.25), mine);
    else if (event.key === "-") viewer.look(zoomed(shown, 0.8), mine);
    else if (event.key === "0") viewer.look(WHOLE, mine);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const pointer = viewer.pointer.value;
  return (
    <div ref={ref} class="viewer-stage" tabIndex={0} data-testid="page" data-document={shown.document} data-page={shown.page}
      data-zoom={shown.zoom.toFixed(2)} role="application" aria-label={t("room.viewer.page", { page: shown.page, pages: loaded.pages, title: loaded.document.title })}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)} onPointerMove={drag}
      onPointerLeave={() => viewer.point(null, mine)} onWheel={wheel} onKeyDown={keys}>
      {place && <Sheet loaded={loaded} page={number} place={place} />}
      {place && pointer && <Pointer at={onStage(pointer, place)} name={nameAt(snapshot, pointer.by)} />}
    </div>
  );
}

function position(element: HTMLElement, place: Placed): void {
  element.style.transform = `translate(${place.left}px, ${place.top}px)`;
  element.style.width = `${place.width}px`;
  element.style.height = `${place.height}px`;
}

function Sheet({ loaded, page, place }: { loaded: Loaded; page: number; place: Placed }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drawn, setDrawn] = useState("");
  useEffect(() => { if (canvas.current) position(canvas.current, place); }, [place.left, place.top, place.width, place.height]);
  const width = Math.round(place.width * devicePixelRatio);
  useEffect(() => {
    // Moving and zooming only scales what is there; it is drawn anew when the hand rests.
    const wanted = `${loaded.document.id}:${page}:${width}`;
    if (drawn === wanted) return undefined;
    let asked = true;
    const soon = setTimeout(() => {
      const sheet = canvas.current;
      if (!sheet) return;
      loaded.draw(page, sheet, width).then(() => asked && setDrawn(wanted), () => undefined);
    }, drawn.startsWith(`${loaded.document.id}:${page}:`) ? 120 : 0);
    return () => { asked = false; clearTimeout(soon); };
  }, [loaded, page, width]);
  return <canvas ref={canvas} class="viewer-sheet" data-testid="sheet" data-state={drawn ? "drawn" : "drawing"} />;
}

function Pointer({ at, name }: { at: Point; name: string }) {
  const arrow = useRef<HTMLDivElement>(null);
  useEffect(() => { if (arrow.current) arrow.current.style.transform = `translate(${at.x}px, ${at.y}px)`; }, [at.x, at.y]);
  return (
    <div ref={arrow} class="viewer-pointer" data-testid="pointer" aria-hidden="true">
      <svg viewBox="0 0 24 24" width="22" height="22"><path d="M3 2l6 18 3-7 7-3z" fill="currentColor" stroke="#000" stroke-width="1" /></svg>
      <span>{name}</span>
    </div>
  );
}
