// The tab that draws: floors, rooms, picture and scale, beacons. Each change is saved at once.
import { button, el, field, keyed } from "./dom.js";
import { ask, upload } from "./net.js";

const HINTS = {
  look: "Choose a tool, then tap the plan. Keys: arrows move the cross, Enter taps.",
  rectangle: "Tap two opposite corners of the room.",
  polygon: "Tap each corner; tap “Close room” after the last.",
  beacon: "Choose the beacon, then tap where it is.",
  scale: "Tap both ends of a length that you know.",
};

export class DrawTab {
  constructor(view) {
    this.view = view;
    this.tool = "look";
    this.tools = el("div", { class: "row", role: "toolbar", "aria-label": "Tools" });
    for (const [name, label] of [["rectangle", "Rectangle"], ["polygon", "Polygon"], ["beacon", "Beacon"], ["scale", "Scale"]]) {
      this.tools.append(button(label, () => this.choose(this.tool === name ? "look" : name), { "data-tool": name, "aria-pressed": "false" }));
    }
    this.close = button("Close room", () => this.closeRoom(), { hidden: true, class: "main" });
    this.length = el("input", { type: "number", min: "0.1", step: "0.01", inputmode: "decimal" });
    this.scaleForm = el("form", { hidden: true, class: "row", onsubmit: (event) => this.setScale(event) },
      field("Length in metres", this.length), el("button", { class: "main" }, "Set scale"));
    this.beacon = el("select", { "aria-label": "Beacon" });
    this.beaconForm = el("div", { hidden: true }, field("Beacon", this.beacon));
    this.file = el("input", { type: "file", accept: "image/png,image/jpeg", onchange: () => this.setPicture() });
    this.rooms = el("ul", { class: "lines" });
    this.floors = el("ul", { class: "lines" });
    this.beacons = el("ul", { class: "lines" });
    this.node = el("div", {},
      el("h2", {}, "Draw"), this.tools, this.close, this.scaleForm, this.beaconForm,
      el("h2", {}, "Rooms"), this.rooms, this.byNumbers(),
      el("h2", {}, "Beacons on the plan"), this.beacons,
      el("h2", {}, "Floors"), this.floors, button("Add a floor", () => this.addFloor()),
      field("Picture of this floor (PNG or JPEG)", this.file));
  }

  // A room by numbers: what the pointer draws, a keyboard can type.
  byNumbers() {
    const inputs = ["x", "y", "width", "height"].map((name) => el("input", { type: "number", step: "0.1", required: true, name, inputmode: "decimal" }));
    const form = el("form", { class: "row", onsubmit: (event) => {
      event.preventDefault();
      const [x, y, width, height] = inputs.map((input) => Number(input.value));
      this.addRoom([[x, y], [x + width, y], [x + width, y + height], [x, y + height]]);
      form.reset();
    } }, ...inputs.map((input) => field(`${input.name}, m`, input)), el("button", {}, "Add"));
    return el("details", {}, el("summary", {}, "Add a room by numbers"), form);
  }

  get plan() {
    return this.state.plan;
  }

  show(state) {
    this.state = state;
    keyed(this.rooms, this.plan.rooms.filter((room) => room.floor === this.view.floor), (room) => room.name, (room) => this.roomRow(room));
    if (!this.rooms.children.length) this.rooms.append(el("li", { class: "soft" }, "No room yet. Draw the first one."));
    keyed(this.beacons, this.plan.beacons.filter((one) => one.floor === this.view.floor), (one) => `${one.id} ${one.x} ${one.y}`, (one) =>
      el("li", { class: "row" }, el("span", {}, `${state.ids.names[one.id] || one.id} at ${one.x.toFixed(1)}, ${one.y.toFixed(1)} m`),
        button("Remove", () => this.save({ ...this.plan, beacons: this.plan.beacons.filter((other) => other.id !== one.id) }).catch(() => {}))));
    if (!this.beacons.children.length) this.beacons.append(el("li", { class: "soft" }, "Optional. Reports show them."));
    keyed(this.floors, this.plan.floors, (floor) => `${floor.name} ${floor.image || ""} ${this.plan.rooms.map((room) => room.floor)} ${this.plan.beacons.length} ${this.plan.floors.length}`, (floor) => this.floorRow(floor));
    const heard = (state.levels || []).map((level) => level.id);
    const ids = [...new Set([...heard, ...this.plan.beacons.map((one) => one.id)])].sort();
    keyed(this.beacon, ids, (id) => id, (id) => el("option", { value: id }, state.ids.names[id] || id));
  }

  roomRow(room) {
    const input = el("input", { value: room.name, "aria-label": `Name of ${room.name}`, maxlength: "80",
      onchange: () => this.change(room, { name: input.value.trim() || room.name }).catch(() => { input.value = room.name; }) });
    return el("li", { class: "row" }, input, button("Remove", () =>
      this.save({ ...this.plan, rooms: this.plan.rooms.filter((one) => one.name !== room.name) }).catch(() => {}), { "aria-label": `Remove ${room.name}` }));
  }

  floorRow(floor) {
    const here = this.plan.floors.indexOf(floor);
    const used = [...this.plan.rooms, ...this.plan.beacons].some((one) => one.floor === here);
    // only the last one: recordings name floors by their number
    const last = here === this.plan.floors.length - 1 && here > 0 && !used && !floor.image;
    const input = el("input", { value: floor.name, "aria-label": `Name of floor ${floor.name}`, maxlength: "80", onchange: () =>
      this.save({ ...this.plan, floors: this.plan.floors.map((one) => (one.name === floor.name ? { ...one, name: input.value.trim() || one.name } : one)) })
        .catch(() => { input.value = floor.name; }) });
    return el("li", { class: "row" }, input, last ? button("Remove", () => this.removeFloor(), { "aria-label": `Remove floor ${floor.name}` }) : null);
  }

  choose(tool) {
    this.tool = tool;
    this.view.draft = [];
    this.view.snap = tool === "rectangle" || tool === "polygon";
    for (const one of this.tools.children) one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
    this.close.hidden = true;
    this.scaleForm.hidden = true;
    this.beaconForm.hidden = tool !== "beacon";
    this.view.hint(HINTS[tool]);
    this.view.drawDraft();
  }

  tap(place) {
    const { draft } = this.view;
    if (this.tool === "look") return;
    if (this.tool === "beacon") {
      this.placeBeacon(place);
      return;
    }
    draft.push(place);
    if (this.tool === "rectangle" && draft.length === 2) {
      const [[x, y], [u, v]] = draft;
      this.addRoom([[x, y], [u, y], [u, v], [x, v]]);
    } else if (this.tool === "scale" && draft.length >= 2) {
      this.view.draft = draft.slice(0, 2);
      this.scaleForm.hidden = false;
      this.length.focus();
    }
    this.close.hidden = !(this.tool === "polygon" && this.view.draft.length >= 3);
    this.view.drawDraft();
  }

  closeRoom() {
    this.addRoom(this.view.draft);
  }

  addRoom(outline) {
    const names = new Set(this.plan.rooms.map((room) => room.name));
    let number = 1;
    while (names.has(`room ${number}`)) number += 1;
    this.view.draft = [];
    this.close.hidden = true;
    this.save({ ...this.plan, rooms: [...this.plan.rooms, { name: `room ${number}`, outline, floor: this.view.floor }] }).then(() => {
      const input = this.rooms.querySelector(`[aria-label="Name of room ${number}"]`);
      if (input) input.select();
    }, () => this.view.drawDraft());
  }

  change(room, changes) {
    const rooms = this.plan.rooms.map((one) => (one.name === room.name ? { ...one, ...changes } : one));
    return this.save({ ...this.plan, rooms });
  }

  placeBeacon([x, y]) {
    const id = this.beacon.value;
    if (!id) {
      this.view.hint("No beacon was heard yet. Add a source in “Record” first.");
      return;
    }
    const others = this.plan.beacons.filter((one) => one.id !== id);
    this.save({ ...this.plan, beacons: [...others, { id, x, y, floor: this.view.floor }] }).catch(() => {});
  }

  addFloor() {
    const names = new Set(this.plan.floors.map((floor) => floor.name));
    let number = this.plan.floors.length;
    while (names.has(`floor ${number}`)) number += 1;
    const name = `floor ${number}`;
    this.save({ ...this.plan, floors: [...this.plan.floors, { name }] }).then(() => {
      this.view.goTo(this.plan.floors.length - 1);
      this.choose("rectangle");
      this.floors.querySelector(`[aria-label="Name of floor ${name}"]`).select();
    }, () => {});
  }

  removeFloor() {
    this.view.goTo(0);
    this.save({ ...this.plan, floors: this.plan.floors.slice(0, -1) }).catch(() => {});
  }

  setPicture() {
    if (this.file.files.length) upload(this.view.floor, this.file.files[0]).then(() => this.choose("scale"), () => {});
    this.file.value = "";
  }

  // The picture and everything drawn on this floor grow alike, so that the two points are that far apart.
  setScale(event) {
    event.preventDefault();
    const [[x, y], [u, v]] = this.view.draft;
    const factor = Number(this.length.value) / Math.hypot(u - x, v - y);
    if (!Number.isFinite(factor) || factor <= 0) return;
    const here = this.view.floor;
    const scaled = ([a, b]) => [a * factor, b * factor];
    const floors = this.plan.floors.map((floor, number) => (number === here ? { ...floor, metres_per_pixel: (floor.metres_per_pixel ?? 0.01) * factor } : floor));
    const rooms = this.plan.rooms.map((room) => (room.floor === here ? { ...room, outline: room.outline.map(scaled) } : room));
    const beacons = this.plan.beacons.map((one) => (one.floor === here ? { ...one, x: one.x * factor, y: one.y * factor } : one));
    this.save({ ...this.plan, floors, rooms, beacons }).then(() => this.choose("look"), () => {});
  }

  async save(plan) {
    const before = { plan: this.state.plan, revision: this.state.revision };
    try {
      const done = await ask("plan", { plan, revision: this.state.revision });
      Object.assign(this.state, { plan, revision: done.revision });
    } catch (error) {
      Object.assign(this.state, before);
      throw error;
    } finally {
      this.view.draw(this.state);
      this.show(this.state);
    }
  }

  enter() {
    this.view.drawing = true;
    this.view.draw(this.state);
    this.choose(this.plan.rooms.length ? "look" : "rectangle");
  }

  leave() {
    this.view.drawing = false;
    this.view.draw(this.state);
    this.choose("look");
    this.view.hint("");
  }
}

