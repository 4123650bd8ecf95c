// The tab that records: sources, the session, "I am in", what is heard.
import { button, el, field, keyed } from "./dom.js";
import { ask } from "./net.js";

const WEAKEST = -105;
const LOUDEST = -35;
const REORDER_MS = 2000;
const ORDERS = {
  "strongest first": (a, b) => b.dbm - a.dbm,
  "most readings first": (a, b) => b.count - a.count,
  "by name": (a, b) => (a.name < b.name ? -1 : 1),
};

export class RecordTab {
  constructor(view) {
    this.view = view;
    this.sources = el("ul", { class: "lines" });
    this.session = el("div");
    this.rooms = el("div", { class: "grid", role: "group", "aria-label": "I am in" });
    this.levels = el("ul", { class: "lines", id: "levels" });
    this.phones = el("details", { hidden: true, id: "phones" }, this.phonesTitle = el("summary"), this.phonesList = el("ul", { class: "lines" }));
    this.sort = el("select", { "aria-label": "Order of what is heard", onchange: () => { this.ordered = 0; } },
      ...Object.keys(ORDERS).map((name) => el("option", { value: name }, name)));
    this.offers = el("div", { id: "offers" });
    this.path = el("input", { type: "checkbox" });
    this.startForm = this.makeStart();
    this.open = el("div", { hidden: true }, this.openText = el("p"),
      el("div", { class: "row" }, button("End session", () => ask("end").catch(() => {}), { class: "danger", id: "end" })));
    this.node = el("div", {},
      el("h2", {}, "Session"), this.startForm, this.open,
      el("h2", {}, "I am in"), this.rooms,
      el("label", { class: "check" }, this.path, "Taps are steps of a path that I walk straight"),
      el("h2", {}, "Sources"), this.sources, this.makeAdd(),
      el("div", { class: "sort" }, this.heard = el("h2", {}, "Heard now"), this.sort), this.silent = el("p", { class: "soft", hidden: true }, "Nothing is heard any more: no source delivers."), this.offers, this.levels, this.phones);
  }

  makeStart() {
    const person = el("input", { required: true, maxlength: "60", name: "person", value: localStorage.person || "" });
    const device = el("input", { required: true, maxlength: "60", name: "device", value: localStorage.device || "" });
    const day = el("input", { type: "date", required: true, name: "day", value: new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 10) });
    this.resume = el("select", { "aria-label": "Earlier session" });
    this.resumeRow = el("div", { class: "row", hidden: true }, field("Or go on with", this.resume),
      button("Resume", () => ask("resume", { name: this.resume.value }).catch(() => {})));
    return el("form", { onsubmit: (event) => {
      event.preventDefault();
      localStorage.person = person.value;
      localStorage.device = device.value;
      ask("start", { person: person.value, device: device.value, day: day.value }).catch(() => {});
    } }, el("div", { class: "row" }, field("Person", person), field("Device", device), field("Day", day)),
    el("p", {}, el("button", { class: "main", id: "start" }, "Start recording")), this.unkept = el("p", { class: "bad", id: "unkept" }), this.resumeRow);
  }

  makeAdd() {
    this.port = el("input", { list: "ports", required: true, placeholder: "/dev/ttyACM0", name: "source", maxlength: "300" });
    this.ports = el("datalist", { id: "ports" });
    const baud = el("input", { type: "number", value: "115200", min: "1200" });
    const speed = el("input", { type: "number", value: "1", min: "0", step: "any" });
    return el("details", {}, el("summary", {}, "Add a source"),
      el("form", { onsubmit: (event) => {
        event.preventDefault();
        ask("add source", { text: this.port.value.trim(), baud: Number(baud.value), speed: Number(speed.value) }).catch(() => {});
      } }, field("Serial port, “bluetooth”, or a .csv file to replay", this.port), this.ports,
      el("div", { class: "row" }, field("Baud", baud), field("Replay speed", speed), el("button", { id: "add" }, "Add"))));
  }

  show(state) {
    this.state = state;
    const open = state.session;
    this.startForm.hidden = Boolean(open);
    this.open.hidden = !open;
    this.unkept.textContent = !open && state.sources.some((one) => one.state === "running") ? "Readings are shown, and not kept until you start recording." : "";
    if (open) this.openText.textContent = `${open.person}, ${open.device}: ${open.readings.toLocaleString("en")} readings in ${clock(open.seconds)}. Every one is on disk.`;
    keyed(this.sources, state.sources, (one) => one.name, () => el("li"), (node, one) => sourceRow(node, one));
    if (!state.sources.length) this.sources.replaceChildren(el("li", { class: "soft" }, "No source yet."));
    const here = state.where.room;
    const names = [...new Set([...state.plan.rooms.map((room) => room.name), ...Object.keys(state.scans)])];
    keyed(this.rooms, names, (name) => name, (name) => this.roomButton(name), (node, name) => {
      node.setAttribute("aria-pressed", String(name === here));
      node.lastChild.textContent = `${state.scans[name] || 0} scans${floorOf(state, name)}`;
    });
    if (!names.length) this.rooms.append(el("p", { class: "soft" }, "Draw rooms first, in “Plan”."));
    this.showLevels(state);
    this.showSlow(state);
  }

  // Beacons in an order that changes every few seconds only; phones folded below.
  showLevels(state) {
    const phones = new Set(state.passing || []);
    const over = !state.hearing && state.levels.length > 0;
    this.heard.textContent = over ? "Heard last" : "Heard now";
    this.silent.hidden = !over;
    const named = state.levels.map((one) => ({ ...one, name: state.ids.names[one.id] || one.id }));
    const beacons = named.filter((one) => !phones.has(one.id));
    const now = performance.now();
    const busy = this.levels.querySelector("details[open]");
    if (!this.ordered || (now - this.ordered > REORDER_MS && !busy)) {
      this.ordered = now;
      this.rank = new Map([...beacons].sort(ORDERS[this.sort.value]).map((one, place) => [one.id, place]));
    }
    const place = (one) => this.rank.get(one.id) ?? Infinity;
    beacons.sort((a, b) => place(a) - place(b) || ORDERS["by name"](a, b));
    keyed(this.levels, beacons, (one) => one.id, (one) => this.levelRow(one), (node, one) => this.fillLevel(node, one));
    if (!beacons.length) this.levels.replaceChildren(el("li", { class: "soft" }, "Nothing."));
    const passing = named.filter((one) => phones.has(one.id));
    this.phones.hidden = !passing.length;
    this.phonesTitle.textContent = `${passing.length} ids that look like phones`;
    const shown = this.phones.open ? passing.sort(ORDERS["strongest first"]).slice(0, 50) : [];
    keyed(this.phonesList, shown, (one) => one.id, (one) => this.levelRow(one), (node, one) => this.fillLevel(node, one));
  }

  showSlow(state) {
    const key = JSON.stringify([state.passing, state.shared, state.vanished, state.ids, state.sessions, state.ports]);
    if (key === this.slowKey) return;
    this.slowKey = key;
    const offers = [];
    if (state.passing.length) {
      offers.push(el("p", {}, `${state.passing.length} ids look like phones that pass by: their addresses are private ones, which change. Is a beacon of yours among them? Name it first.`),
        el("div", { class: "row" }, button(`Ignore these ${state.passing.length}`, () => ask("ignore", { ids: state.passing }).catch(() => {})),
          button("Ignore these and later ones", () => ask("ignore random", { ignore: true }).catch(() => {}))));
    }
    if (state.shared.length) offers.push(el("p", { class: "bad" }, `${state.shared.length} ids are heard by two sources. A model learns one receiver: remove a source.`));
    if (state.vanished.length) offers.push(el("p", { class: "bad" }, `Silent: ${state.vanished.map((id) => state.ids.names[id] || id).join(", ")}`));
    if (state.ids.random_ignored) {
      offers.push(el("p", { class: "soft" }, "Private addresses of phones are ignored. "), button("Hear phones again", () => ask("ignore random", { ignore: false }).catch(() => {})));
    }
    if (state.ids.ignored.length) {
      offers.push(el("details", {}, el("summary", {}, `${state.ids.ignored.length} ignored ids`),
        button("Hear all again", () => ask("ignore", { ids: state.ids.ignored, ignore: false }).catch(() => {}))));
    }
    this.offers.replaceChildren(...offers);
    this.ports.replaceChildren(...[...state.ports, "bluetooth"].map((port) => el("option", { value: port })));
    this.resume.replaceChildren(...state.sessions.filter((one) => one.kind === "survey").map((one) => el("option", { value: one.name }, one.name)));
    this.resumeRow.hidden = !this.resume.children.length;
  }

  roomButton(name) {
    return el("button", { type: "button", "aria-pressed": "false", onclick: () => {
      const there = this.state.plan.rooms.find((room) => room.name === name);
      if (there && there.floor !== this.view.floor) this.view.goTo(there.floor);
      ask("where", this.state.where.room === name ? {} : { room: name }).catch(() => {});
    } }, name, el("small"));
  }

  levelRow(one) {
    const row = el("li", { class: "level" }, el("b"), el("span"), el("div", { class: "bar", role: "img" }, el("i")), el("details", {}, el("summary", {}, el("small", {}, "Change"))));
    const details = row.querySelector("details");
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(this.idForm(one.id));
    });
    return row;
  }

  idForm(id) {
    const name = el("input", { value: this.state.ids.names[id] || "", maxlength: "60", name: "idname" });
    const into = el("select", {}, el("option", { value: "" }, "–"),
      ...this.state.levels.filter((one) => one.id !== id).map((one) => el("option", { value: one.id }, this.state.ids.names[one.id] || one.id)));
    return el("div", {}, el("small", {}, id),
      el("div", { class: "row" }, field("Name", name), button("Save", () => ask("name", { id, name: name.value }).catch(() => { name.value = this.state.ids.names[id] || ""; }))),
      el("div", { class: "row" }, field("Is the same as", into), button("Merge", () => into.value && ask("merge", { id, name: into.value }).catch(() => {}))),
      button("Ignore", () => ask("ignore", { ids: [id] }).catch(() => {}), { class: "danger" }));
  }

  fillLevel(node, one) {
    const [name, level, bar] = node.children;
    name.textContent = this.state.ids.names[one.id] || one.id;
    level.textContent = `${one.dbm.toFixed(0)} dBm`;
    bar.firstChild.style.width = `${Math.max(2, Math.min(100, (100 * (one.dbm - WEAKEST)) / (LOUDEST - WEAKEST)))}%`;
    bar.setAttribute("aria-label", `${one.hz} per second`);
    node.classList.toggle("old", one.ago_s > 3);
  }

  tap([x, y], room) {
    ask("where", { x, y, floor: this.view.floor, step: this.path.checked }).catch(() => {});
    this.view.hint(room ? `You are in ${room}, at ${x.toFixed(1)}, ${y.toFixed(1)} m.` : `You are at ${x.toFixed(1)}, ${y.toFixed(1)} m, in no room.`);
  }

  // Digits choose rooms: the plan in one hand, the keyboard in the other.
  key(event) {
    if (/^[1-9]$/.test(event.key) && !/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) {
      const node = this.rooms.children[Number(event.key) - 1];
      if (node && node.onclick !== undefined) node.click();
    }
  }

  enter() {
    this.view.snap = false;
    this.view.tracing = true;
    this.view.hint("Tap the plan where you stand, or choose the room. Keys 1 to 9 choose rooms.");
  }

  leave() {
    this.view.tracing = false;
    this.view.hint("");
  }
}

function floorOf(state, name) {
  const room = state.plan.floors.length > 1 && state.plan.rooms.find((one) => one.name === name);
  return room ? ` · ${state.plan.floors[room.floor].name}` : "";
}

function sourceRow(node, one) {
  const text = [`${one.readings.toLocaleString("en")} readings`, one.garbage ? `${one.garbage.toLocaleString("en")} lines were none (${one.last_garbage})` : "", one.jumps ? `clock jumped ${one.jumps} times` : "", one.text].filter(Boolean).join(" · ");
  if (!node.children.length) {
    node.append(el("b"), el("p", { class: "soft" }), el("div", { class: "row" }, button("Remove", () => ask("remove source", { name: one.name }).catch(() => {})),
      button("Play again", () => ask("replay again", { name: one.name }).catch(() => {}))));
  }
  node.children[0].textContent = `${one.name} (${one.state})`;
  node.children[0].className = one.state === "failed" || one.state === "waiting" ? "bad" : "";
  node.children[1].textContent = text;
  node.children[2].lastChild.hidden = one.real_time || one.state !== "ended";
}

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
