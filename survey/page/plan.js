// The plan: draws floors, rooms, beacons, coverage, the person and the model's dot; turns taps and keys into places.
import { svg } from "./dom.js";

const EMPTY = { left: 0, low: 0, right: 10, high: 8 };
const STEP_M = 0.25;
const LETTER = 0.6; // width of a letter of the bold names, in sizes
const SMALLEST = 0.7;

export class PlanView {
  constructor(node, hint) {
    this.node = node;
    this.hintNode = hint;
    this.floor = 0;
    this.cross = null;
    this.draft = [];
    this.picked = null;
    this.coverage = false;
    this.act = () => {};
    this.layers = {};
    for (const name of ["grid", "image", "rooms", "cells", "names", "beacons", "paths", "walked", "draft", "live", "top"]) {
      this.layers[name] = svg("g");
      node.append(this.layers[name]);
    }
    node.addEventListener("click", (event) => this.tap(event));
    node.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.state && this.draw(this.state)).observe(node);
  }

  hint(text) {
    if (this.hintNode.textContent !== text) this.hintNode.textContent = text;
  }

  tap(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.node.getScreenCTM().inverse());
    this.cross = null;
    this.act(this.snapped(point.x, -point.y), event.target.dataset.room);
  }

  // A corner near one that exists means that one: walls of neighbours coincide.
  snapped(x, y) {
    const near = (this.unit || 0.02) * 12;
    for (const room of this.rooms()) {
      for (const [u, v] of room.outline) {
        if (this.snap && Math.hypot(u - x, v - y) < near) return [u, v];
      }
    }
    const grid = this.snap ? 0.1 : 0.01;
    return [Math.round(x / grid) * grid, Math.round(y / grid) * grid].map((value) => Number(value.toFixed(3)));
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key];
    if (move) {
      const { left, right, low, high } = this.extent;
      const step = event.shiftKey ? 4 * STEP_M : STEP_M;
      const [x, y] = this.cross || [(left + right) / 2, (low + high) / 2];
      this.cross = [x + move[0] * step, y + move[1] * step];
      this.drawCross();
      event.preventDefault();
    } else if (event.key === "Enter" && this.cross) {
      this.act(this.snapped(...this.cross), undefined);
      event.preventDefault();
    }
  }

  rooms() {
    return this.state ? this.state.plan.rooms.filter((room) => room.floor === this.floor) : [];
  }

  draw(state) {
    this.state = state;
    const floor = state.plan.floors[this.floor] || state.plan.floors[0];
    const beacons = state.plan.beacons.filter((beacon) => beacon.floor === this.floor);
    this.extent = extentOf(floor, this.rooms(), beacons, this.extra || [], this.drawing);
    this.fit();
    const { grid, image, rooms, names } = this.layers;
    grid.replaceChildren(...gridOf(this.box));
    image.replaceChildren();
    this.node.classList.toggle("over-image", Boolean(floor.image));
    if (floor.image) {
      const width = floor.width_px * floor.metres_per_pixel;
      const height = floor.height_px * floor.metres_per_pixel;
      const href = `picture/${floor.image}?${state.revision}`;
      image.append(svg("image", { href, x: 0, y: -height, width, height, preserveAspectRatio: "none" }));
    }
    rooms.replaceChildren(...this.rooms().map((room) => {
      const classes = ["room", room.name === this.here ? "here" : "", room.name === this.picked ? "picked" : ""];
      return svg("polygon", { class: classes.join(" "), points: points(room.outline), "data-room": room.name },
        svg("title", {}, room.name));
    }));
    names.replaceChildren(...this.rooms().map((room) => {
      const [x, y] = middle(room.outline);
      return this.text(room.name, x, -y, "roomname", this.small ? 12 : 14, widthOf(room.outline));
    }));
    this.drawBeacons(beacons);
    this.drawCells();
    this.drawDraft();
    this.drawCross();
  }

  fit() {
    const { left, right, low, high } = this.extent;
    const frame = this.node.getBoundingClientRect();
    this.small = frame.width < 480;
    // on small screens labels of beacons at the walls need a share of the width
    const margin = Math.max(right - left, high - low) * (this.small ? 0.09 : 0.05) + 0.2;
    const box = [left - margin, -high - margin, right - left + 2 * margin, high - low + 2 * margin];
    this.node.setAttribute("viewBox", box.join(" "));
    this.unit = Math.max(box[2] / Math.max(1, frame.width), box[3] / Math.max(1, frame.height));
    const wide = (this.unit * frame.width - box[2]) / 2;
    const tall = (this.unit * frame.height - box[3]) / 2;
    this.box = { left: left - margin - wide, right: right + margin + wide, low: low - margin - tall, high: high + margin + tall };
  }

  // A text of `pixels` on the screen; where `most` metres of width do not hold it smaller, in two lines, then shorter.
  text(content, x, y, name, pixels, most = Infinity) {
    const wide = content.length * pixels * LETTER * this.unit;
    const size = pixels * this.unit * Math.max(SMALLEST, Math.min(1, (0.94 * most) / Math.max(1e-6, wide)));
    const letters = Math.max(3, Math.floor((0.94 * most) / (size * LETTER) + 0.01));
    const lines = wrapped(content, letters);
    const parts = lines.map((line, number) => svg("tspan", { x, dy: number ? size * 1.1 : undefined }, line));
    return svg("text", { class: name, x, y: y + size * (0.35 - 0.55 * (lines.length - 1)), "font-size": size, "stroke-width": size / 6 }, ...parts);
  }

  drawBeacons(beacons) {
    const shown = this.state.ids.names;
    this.layers.beacons.replaceChildren(...beacons.flatMap((beacon) => {
      const size = 6 * this.unit;
      const name = shown[beacon.id] || beacon.id;
      const quiet = this.quiet && this.quiet.has(beacon.id);
      return [
        svg("rect", { class: quiet ? "beacon quiet" : "beacon", x: beacon.x - size, y: -beacon.y - size, width: 2 * size,
          height: 2 * size, transform: `rotate(45 ${beacon.x} ${-beacon.y})` }, svg("title", {}, name)),
        this.text(shortName(name), beacon.x, -beacon.y + 2.6 * size, "beaconname", this.small ? 9 : 10),
      ];
    }));
  }

  drawCells() {
    const { cells } = this.layers;
    cells.replaceChildren();
    if (!this.coverage || !this.state.guidance) return;
    const { coverage: { covered, near, gaps, whole }, cell_m: size } = this.state.guidance;
    const rooms = this.rooms();
    if (rooms.length) {
      const outlines = rooms.map((room) => svg("polygon", { points: points(room.outline) }));
      cells.append(svg("clipPath", { id: "in-rooms" }, ...outlines));
    }
    const map = svg("g", rooms.length ? { "clip-path": "url(#in-rooms)" } : {});
    cells.append(map);
    map.append(...rooms.filter((room) => whole.includes(room.name)).map((room) => svg("polygon", { class: "whole", points: points(room.outline) })));
    const square = (floor, column, row, name, opacity) => floor === this.floor && map.append(svg("rect", {
      class: name, x: column * size, y: -(row + 1) * size, width: size, height: size, "fill-opacity": opacity }));
    for (const [floor, column, row, count] of covered) square(floor, column, row, "covered", Math.min(0.6, 0.1 + count / 60));
    for (const [floor, column, row] of near) square(floor, column, row, "near");
    for (const [floor, column, row] of gaps) square(floor, column, row, "gap");
  }

  drawDraft() {
    const { draft } = this.layers;
    draft.replaceChildren();
    if (this.draft.length) {
      draft.append(svg("polyline", { class: "draft", points: points(this.draft) }));
      for (const [x, y] of this.draft) draft.append(svg("circle", { class: "me", cx: x, cy: -y, r: 5 * this.unit }));
    }
  }

  // What the session's taps said: points where the person stood, lines where the person walked.
  drawWalked(path) {
    const key = this.tracing ? JSON.stringify([path, this.floor, this.unit]) : "";
    if (key === this.walkedKey) return;
    this.walkedKey = key;
    const parts = [];
    if (this.tracing) {
      for (let number = 0; number < path.length; number += 1) {
        const [x, y, floor, step] = path[number];
        const before = path[number - 1];
        if (floor !== this.floor) continue;
        if (step && before && before[3] && before[2] === floor) parts.push(svg("line", { class: "walked", x1: before[0], y1: -before[1], x2: x, y2: -y }));
        parts.push(svg("circle", { class: "tapped", cx: x, cy: -y, r: 3.5 * this.unit }));
      }
    }
    this.layers.walked.replaceChildren(...parts);
  }

  drawCross() {
    const { top } = this.layers;
    top.replaceChildren();
    if (!this.cross) return;
    const [x, y] = this.cross;
    const arm = 14 * this.unit;
    top.append(svg("path", { class: "cross", d: `M${x - arm} ${-y}h${2 * arm}M${x} ${-y - arm}v${2 * arm}` }));
  }

  // The person as said, and what a model thinks.
  drawLive(where, live) {
    const layer = this.layers.live;
    const me = where && where.x !== undefined && where.floor === this.floor ? where : null;
    this.one(layer, "circle", "me", me && !live, () => ({ cx: me.x, cy: -me.y, r: 8 * this.unit }));
    this.one(layer, "circle", "truth", me && live, () => ({ cx: me.x, cy: -me.y, r: 13 * this.unit }));
    const dot = live && live.dot && (live.dot.floor ?? 0) === this.floor ? live.dot : null;
    layer.classList.toggle("unknown", Boolean(live && live.unknown));
    const lines = (live && live.lines) || {};
    this.one(layer, "path", "track-fixes", lines.fixes && lines.fixes.length, () => ({
      d: lines.fixes.map(([x, y]) => disc(x, -y, 2 * this.unit)).join("") }));
    for (const name of ["truth", "dead", "trail"]) {
      const line = name === "trail" ? live && live.trail : lines[name];
      this.one(layer, "polyline", name === "trail" ? "trail" : `track-${name}`, line && line.length > 1, () => ({ points: points(line) }));
    }
    this.one(layer, "circle", "spread", dot, () => ({ cx: dot.x, cy: -dot.y, r: Math.max(10 * this.unit, dot.spread) }));
    this.one(layer, "circle", "dot", dot, () => ({ cx: dot.x, cy: -dot.y, r: 8 * this.unit }));
  }

  one(layer, tag, name, there, props) {
    let node = layer.querySelector(`.${name}`);
    if (!there) {
      if (node) node.remove();
      return;
    }
    if (!node) {
      node = svg(tag, { class: name });
      layer.append(node);
    }
    for (const [key, value] of Object.entries(props())) node.setAttribute(key, value);
  }

  // A path that is drawn, and corners of what must be in the picture.
  drawPath(path, extent) {
    this.extra = [...(path || []), ...(extent || [])];
    this.layers.paths.replaceChildren(...(path && path.length ? [svg("polyline", { class: "path", points: points(path) })] : []));
  }

  setHere(room) {
    if (room === this.here) return;
    this.here = room;
    for (const node of this.layers.rooms.children) node.classList.toggle("here", node.dataset.room === room);
  }
}

export function points(corners) {
  return corners.map(([x, y]) => `${x},${-y}`).join(" ");
}

// Of an address the end: it tells beacons of one maker apart.
function shortName(name) {
  if (/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(name)) return `…${name.slice(-5)}`;
  return name.length > 16 ? `…${name.slice(-10)}` : name;
}

function wrapped(text, letters) {
  const short = (line) => (line.trimEnd().length > letters ? `${line.slice(0, letters - 1).trimEnd()}…` : line);
  const space = text.lastIndexOf(" ", letters);
  if (text.length <= letters || space < 1) return [short(text)];
  return [text.slice(0, space + 1), short(text.slice(space + 1))];
}

function disc(x, y, r) {
  return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
}

export function middle(outline) {
  const xs = outline.map((corner) => corner[0]);
  const ys = outline.map((corner) => corner[1]);
  return [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
}

function widthOf(outline) {
  const xs = outline.map((corner) => corner[0]);
  return Math.max(...xs) - Math.min(...xs);
}

function extentOf(floor, rooms, beacons, extra, drawing) {
  const all = [...rooms.flatMap((room) => room.outline), ...beacons.map((one) => [one.x, one.y]), ...extra];
  if (floor.image) all.push([0, 0], [floor.width_px * floor.metres_per_pixel, floor.height_px * floor.metres_per_pixel]);
  if (!all.length) return EMPTY;
  const xs = all.map((corner) => corner[0]);
  const ys = all.map((corner) => corner[1]);
  // while rooms are drawn there is space around them, and the view does not jump with each room
  if (drawing && !floor.image) {
    xs.push(EMPTY.left, EMPTY.right, ...(rooms.length ? [Math.max(...xs) + 1, Math.min(...xs) - 1] : []));
    ys.push(EMPTY.low, EMPTY.high, ...(rooms.length ? [Math.max(...ys) + 1, Math.min(...ys) - 1] : []));
  }
  const found = { left: Math.min(...xs), right: Math.max(...xs), low: Math.min(...ys), high: Math.max(...ys) };
  return { ...found, right: Math.max(found.right, found.left + 4), high: Math.max(found.high, found.low + 3) };
}

function gridOf({ left, right, low, high }) {
  const step = [0.5, 1, 2, 5, 10, 20, 50, 100].find((one) => (right - left) / one < 24) || 200;
  const lines = [];
  for (let x = Math.floor(left / step) * step; x <= right + step; x += step) lines.push(svg("line", { class: "gridline", x1: x, x2: x, y1: -high - step, y2: -low + step }));
  for (let y = Math.floor(low / step) * step; y <= high + step; y += step) lines.push(svg("line", { class: "gridline", x1: left - step, x2: right + step, y1: -y, y2: -y }));
  return lines;
}
