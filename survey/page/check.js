// The tab that checks what was recorded, and trains.
import { button, el, field, keyed, percent } from "./dom.js";
import { ask } from "./net.js";

export class CheckTab {
  constructor(view) {
    this.view = view;
    this.advice = el("ul", { class: "lines advice" });
    this.rooms = el("div");
    this.sessions = el("ul", { class: "lines" });
    this.board = el("select", { name: "board" });
    this.quick = el("input", { type: "checkbox" });
    this.train = button("Train now", () => this.begin(), { class: "main", id: "train" });
    this.stop = button("Stop", () => ask("stop training").catch(() => {}), { class: "danger", hidden: true });
    this.progress = el("div");
    this.node = el("div", {},
      el("h2", {}, "What to do next"), this.advice,
      el("h2", {}, "Rooms"), this.rooms,
      el("h2", {}, "Sessions"), this.sessions,
      el("h2", {}, "Train"), field("Board", this.board),
      el("label", { class: "check" }, this.quick, "Quick look: few epochs, weaker model"),
      el("div", { class: "row" }, this.train, this.stop), this.progress);
  }

  begin() {
    this.train.disabled = true;
    ask("train", { board: this.board.value || null, epochs: this.quick.checked ? 4 : null }).catch(() => {}).finally(() => { this.train.disabled = false; });
  }

  show(state) {
    this.state = state;
    const slow = JSON.stringify([state.guidance, state.sessions, state.training, state.boards]);
    if (slow === this.slow) return;
    this.slow = slow;
    this.advice.replaceChildren(...state.guidance.advice.map((one) => el("li", { class: one.kind }, one.text)));
    const alike = new Map(state.guidance.alike.map((one) => [one.room, one]));
    this.rooms.replaceChildren(el("table", {},
      el("thead", {}, el("tr", {}, ...["room", "scans", "visits", "rounds"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...state.guidance.rooms.map((room) => el("tr", {}, el("th", { scope: "row" }, room.name,
        alike.has(room.name) ? el("small", { class: "bad" }, ` like ${alike.get(room.name).taken_for}: ${percent(alike.get(room.name).share)}`) : null),
      el("td", {}, room.scans), el("td", {}, room.stays), el("td", {}, room.rounds))))),
    el("p", { class: "soft" }, state.guidance.right_share === null ? "" :
      `Nearest neighbours from other visits place ${percent(state.guidance.right_share)} of the scans in the right room. The plan shows where scans are (green) and gaps (red).`));
    keyed(this.sessions, state.sessions.filter((one) => one.kind === "survey"), (one) => `${one.name} ${one.use}`, (one) => sessionRow(one));
    if (!this.sessions.children.length) this.sessions.append(el("li", { class: "soft" }, "None yet."));
    keyed(this.board, state.boards, (name) => name, (name) => el("option", { value: name, selected: name === state.training.board }, name));
    this.showTraining(state.training);
  }

  showTraining(job) {
    const running = job.state === "running";
    this.train.hidden = running;
    this.stop.hidden = !running;
    const parts = [];
    if (job.state === "failed" || job.state === "stopped") parts.push(el("p", { class: "bad" }, job.state === "failed" ? "The training failed; the last lines say why." : "Stopped."));
    if (job.verdict) parts.push(verdict(job.verdict, job.board));
    if (job.lines.length) parts.push(el("details", { open: !job.verdict }, el("summary", {}, running ? "Training; recording goes on" : "What was done"), el("pre", { tabindex: "0" }, job.lines.join("\n"))));
    this.progress.replaceChildren(...parts);
    const box = this.progress.querySelector("pre");
    if (box) box.scrollTop = box.scrollHeight;
  }

  enter() {
    this.view.coverage = true;
    this.view.drawCells();
  }

  leave() {
    this.view.coverage = false;
    this.view.drawCells();
  }

  tap() {}
}

function sessionRow(one) {
  const use = el("select", { "aria-label": `Use of ${one.name}`, onchange: () => ask("use", { name: one.name, use: use.value }).catch(() => {}) },
    ...["auto", "train", "test", "leave out"].map((name) => el("option", { value: name, selected: name === one.use }, name)));
  return el("li", { class: "row" }, el("span", {}, one.name, el("br"), el("small", {}, `${one.person}, ${one.device}`)), use);
}

function verdict(found, board) {
  const passed = found.headline === "Passed";
  const few = found.decisions < 30 ? ` Only ${found.decisions} decisions: the figure is rough.` : "";
  return el("div", { class: passed ? "verdict" : "verdict bad", id: "verdict" },
    el("p", { class: `big ${passed ? "good" : "bad"}` }, `${found.headline} on ${board}`),
    el("p", {}, `Accuracy ${percent(found.accuracy)}, macro F1 ${found.macro_f1.toFixed(2)} on the test set, ${found.decisions} decisions.${few}`),
    el("p", {}, `${found.agreement} ${found.fitting}`),
    el("table", {}, el("tbody", {}, ...found.budget.map((line) => el("tr", {}, el("th", { scope: "row" }, line.name),
      el("td", { class: line.ok ? "good" : "bad" }, `${number(line.used)} of ${number(line.limit)} ${line.unit}`))))),
    el("p", { class: "soft" }, "See it at work: ", el("code", {}, `tinyloc live ${found.run} --board ${board} --folder NEW-FOLDER`)));
}

function number(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}
