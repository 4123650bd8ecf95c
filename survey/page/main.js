// Joins the plan, the tabs and the state that the socket brings.
import { Banners } from "./banners.js";
import { CheckTab } from "./check.js";
import { el, keyed } from "./dom.js";
import { DrawTab } from "./draw.js";
import { LiveTab } from "./live.js";
import { ask, connect, onError } from "./net.js";
import { PlanView } from "./plan.js";
import { RecordTab, clock } from "./record.js";

const find = (id) => document.getElementById(id);
const view = new PlanView(find("plan"), find("hint"));
const state = { levels: [], passing: [], notes: [], path: [], sources: [], scans: {}, where: {}, session: null };
const tabs = {};
let current = null;
let drawn = "";

const banners = new Banners(find("alert"));
onError((text) => banners.refuse(text));

function build() {
  const wanted = state.about_live && state.about_live.walk ? { live: ["Live", LiveTab] } : state.about_live ? { live: ["Live", LiveTab], record: ["Sources", RecordTab], draw: ["Plan", DrawTab] }
    : { draw: ["Plan", DrawTab], record: ["Record", RecordTab], check: ["Check", CheckTab] };
  for (const [name, [label, Tab]] of Object.entries(wanted)) {
    tabs[name] = new Tab(view);
    tabs[name].state = state;
    tabs[name].node.hidden = true;
    find("panel").append(tabs[name].node);
    find("tabs").append(el("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-selected": "false", "aria-controls": "panel", onclick: () => choose(name) }, label));
  }
  find("tabs").addEventListener("keydown", (event) => {
    const all = [...find("tabs").children];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    next.focus();
    next.click();
  });
  choose(location.hash.slice(1) in tabs ? location.hash.slice(1) : state.about_live ? "live" : state.plan.rooms.length ? "record" : "draw");
}

function choose(name) {
  if (current && current !== name) banners.refuse("");
  if (current) tabs[current].leave();
  current = name;
  for (const [other, tab] of Object.entries(tabs)) {
    tab.node.hidden = other !== name;
    find(`tab-${other}`).setAttribute("aria-selected", String(other === name));
    find(`tab-${other}`).tabIndex = other === name ? 0 : -1;
  }
  history.replaceState(null, "", `#${name}`);
  tabs[name].show(state);
  tabs[name].enter();
}

view.goTo = (floor) => {
  view.floor = floor;
  view.draft = [];
  drawn = "";
  refresh();
};
view.act = (place, room) => current && tabs[current].tap(place, room);
document.addEventListener("keydown", (event) => current && tabs[current].key && tabs[current].key(event));

function floors() {
  const all = state.plan.floors;
  if (view.floor >= all.length) view.floor = 0;
  keyed(find("floors"), all.length > 1 ? all.map((floor, number) => ({ ...floor, number })) : [], (one) => `${one.number} ${one.name}`,
    (one) => el("button", { type: "button", onclick: () => view.goTo(one.number) }, one.name),
    (node, one) => node.setAttribute("aria-pressed", String(one.number === view.floor)));
}

function refresh() {
  const key = JSON.stringify([state.plan, state.ids, state.revision, state.guidance, view.floor]);
  if (key !== drawn && !view.draft.length) {
    drawn = key;
    floors();
    const about = view.floor === 0 && state.about_live;
    view.drawPath(about ? about.path : null, about ? about.extent : null);
    view.draw(state);
  }
  view.setHere(state.live && !state.live.unknown ? state.live.room : state.where.room);
  view.drawLive(state.where, state.live);
  view.drawWalked(state.path || []);
  status();
  if (current) tabs[current].show(state);
}

function status() {
  const node = find("status");
  const { session, lost, notes, pages, passing } = state;
  node.classList.toggle("on", Boolean(session));
  const parts = [session ? `Recording ${clock(session.seconds)}` : "Not recording"];
  const phones = new Set(passing || []);
  const beacons = state.levels.filter((one) => !phones.has(one.id)).length;
  if (state.sources.length) parts.push(state.hearing ? `${beacons} ${beacons === 1 ? "beacon" : "beacons"}` : "nothing is heard any more");
  if (pages > 1) parts.push(`${pages} pages open`);
  node.textContent = parts.join(" · ");
  const missing = lost ? [{ about: "lost", text: `${lost.toLocaleString("en")} readings were NOT recorded.`, kind: "bad" }] : [];
  banners.say([...missing, ...(notes || [])], (name) => ask("replay again", { name }).catch(() => {}));
}

function take(message) {
  const first = !state.plan;
  if (message.kind === "all") {
    if (message.revision < (state.revision ?? 0)) { delete message.plan; delete message.revision; }
    Object.assign(state, message);
    find("title").textContent = state.about_live ? `${state.about_live.name} live` : `Survey of ${state.name}`;
    document.title = find("title").textContent;
    if (first) build();
  } else {
    Object.assign(state, message);
  }
  if (state.plan && "now_s" in state) refresh();
}

connect(take, () => {
  find("status").textContent = "No connection; look at the terminal. Trying again";
});
