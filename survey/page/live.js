// The tab of a model at work: its answer, probabilities, cost, and how often it is right.
import { button, el, keyed, percent } from "./dom.js";
import { ask } from "./net.js";

export class LiveTab {
  constructor(view) {
    this.view = view;
    this.answer = el("p", { class: "big", id: "answer", "aria-live": "polite" }, "…");
    this.under = el("p", { class: "soft" });
    this.bars = el("ul", { class: "lines" });
    this.tiles = el("div", { class: "tiles" });
    this.truth = el("p");
    this.rooms = el("div", { class: "grid", role: "group", "aria-label": "I am really in" });
    this.session = el("div", { class: "row" });
    this.about = el("div");
    this.node = el("div", {}, this.heading = el("h2"), this.answer, this.under, this.bars,
      el("h2", {}, "Cost of the last answer"), this.tiles,
      this.truthPart = el("div", {}, this.truthTitle = el("h2"), this.truth, this.rooms),
      this.recording = el("div", {}, el("h2", {}, "Recording"), this.session), this.about);
    this.record = button("Record this", () => this.toggle(), { id: "record" });
    this.session.append(this.record);
  }

  toggle() {
    if (this.state.session) ask("end").catch(() => {});
    else ask("start", { person: localStorage.person || "somebody", device: localStorage.device || "live", day: new Date().toISOString().slice(0, 10), kind: "live" }).catch(() => {});
  }

  show(state) {
    this.state = state;
    const live = state.live;
    if (!live) return;
    const walk = Boolean(state.about_live.walk);
    this.truthPart.hidden = walk && !live.truth;
    this.recording.hidden = walk;
    this.truthTitle.textContent = live.places ? "Error" : "Right or wrong";
    this.heading.textContent = live.heading;
    this.answer.textContent = live.problem ? "No answer" : live.unknown ? "Unknown place" : live.room || "…";
    this.answer.classList.toggle("bad", Boolean(live.problem));
    this.under.textContent = live.problem || live.note || "";
    keyed(this.bars, live.rooms || [], (one) => one.name, () =>
      el("li", { class: "level" }, el("b"), el("span"), el("div", { class: "bar" }, el("i"))), (node, one) => {
      node.children[0].textContent = one.name;
      node.children[1].textContent = percent(one.share);
      node.children[2].firstChild.style.width = `${Math.max(0.5, 100 * one.share)}%`;
    });
    keyed(this.tiles, live.tiles || [], (one) => one.name, () => el("div", {}, el("small"), el("b")), (node, one) => {
      node.children[0].textContent = one.name;
      node.children[1].textContent = one.value;
    });
    this.truth.textContent = live.truth || (live.places ? "Tap the plan where you are: the page measures the error." : "Tap the plan, or a room: the page counts how often the model is right.");
    const names = live.places ? [] : live.classes || [];
    keyed(this.rooms, names, (name) => name, (name) => el("button", { type: "button", onclick: () =>
      ask("where", this.state.where.room === name ? {} : { room: name }).catch(() => {}) }, name), (node, name) =>
      node.setAttribute("aria-pressed", String(name === state.where.room)));
    this.record.textContent = state.session ? "End recording" : "Record this";
    this.showAbout(state);
  }

  showAbout(state) {
    const about = state.about_live;
    if (!about || this.shown) return;
    this.shown = true;
    this.about.replaceChildren(el("h2", {}, about.title), ...about.lines.map((line) => el("p", { class: "soft" }, line)));
  }

  tap([x, y]) {
    if (this.state.about_live.walk) return;
    ask("where", { x, y, floor: this.view.floor }).catch(() => {});
  }

  enter() {
    this.view.snap = false;
    this.view.hint(this.state.about_live.walk ? "" : "Tap where you really are.");
  }

  leave() {}
}
