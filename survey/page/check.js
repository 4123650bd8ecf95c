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
    this.learn = el("select", { name: "learn", onchange: () => { this.chosen = this.learn.value; } });
    this.progress = el("div", { id: "progress" });
    this.result = el("div", { id: "result" });
    this.tested = el("p", { class: "soft", id: "tested" });
    this.node = el("div", {}, this.result,
      el("h2", {}, "What to do next"), this.advice,
      el("h2", {}, "Train"), el("div", { class: "row" }, field("Learn", this.learn), field("Board", this.board)),
      el("label", { class: "check" }, this.quick, "Quick look: few epochs, weaker model"),
      el("div", { class: "row" }, this.train, this.stop), this.progress,
      el("h2", {}, "Sessions"), this.tested, this.sessions,
      el("h2", {}, "Rooms"), this.rooms);
  }

  begin() {
    this.train.disabled = true;
    ask("train", { board: this.board.value || null, epochs: this.quick.checked ? 4 : null, learn: this.learn.value || null }).catch(() => {}).finally(() => { this.train.disabled = false; });
  }

  show(state) {
    this.state = state;
    const slow = JSON.stringify([state.guidance, state.sessions, state.training, state.boards, state.learn]);
    if (slow === this.slow) return;
    this.slow = slow;
    this.advice.replaceChildren(...state.guidance.advice.map((one) => el("li", { class: one.kind }, one.text)));
    this.showRooms(state);
    this.showSessions(state);
    keyed(this.board, state.boards, (name) => name, (name) => el("option", { value: name, selected: name === state.training.board }, name));
    keyed(this.learn, ["rooms", "positions"], (name) => name, (name) => el("option", { value: name }, name), (node, name) => { node.disabled = !state.learn.able[name]; });
    this.learn.value = this.chosen && state.learn.able[this.chosen] ? this.chosen : state.learn.suits;
    this.showTraining(state.training);
  }

  showRooms(state) {
    const alike = new Map(state.guidance.alike.map((one) => [one.room, one]));
    const right = state.guidance.right_share;
    this.rooms.replaceChildren(...[el("table", {},
      el("thead", {}, el("tr", {}, ...["room", "scans", "visits", "rounds"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...state.guidance.rooms.map((room) => el("tr", {}, el("th", { scope: "row" }, room.name,
        alike.has(room.name) ? el("small", { class: "bad" }, ` like ${alike.get(room.name).taken_for}: ${percent(alike.get(room.name).share)}`) : null),
      el("td", {}, room.scans), el("td", {}, room.stays), el("td", {}, room.rounds))))),
    right === null ? null : el("p", { class: "soft" }, `Nearest neighbours from other visits place ${percent(right)} of the scans in the right room.`),
    el("p", { class: "soft" }, el("i", { class: "swatch" }), "scans there or beside it  ", el("i", { class: "swatch gap" }), "none")].filter(Boolean));
  }

  // Which session trains and which tests is what makes the figures honest: it stands beside each.
  showSessions(state) {
    const surveys = state.sessions.filter((one) => one.kind === "survey");
    const tests = surveys.filter((one) => one.role === "test").map((one) => one.name);
    const held = surveys.some((one) => one.role === "held out");
    this.tested.textContent = tests.length ? `Test set: ${tests.join(", ")}. ${surveys.find((one) => one.why).why}`
      : held ? "Test set: parts of each session, held out. A second round by another person on another day is a better test." : "";
    keyed(this.sessions, surveys, (one) => `${one.name} ${one.use} ${one.role}`, (one) => sessionRow(one));
    if (!surveys.length) this.sessions.append(el("li", { class: "soft" }, "None yet."));
  }

  showTraining(job) {
    const running = job.state === "running";
    this.train.hidden = running;
    this.stop.hidden = !running;
    const parts = [];
    if (job.state === "failed" || job.state === "stopped") parts.push(el("p", { class: "bad" }, job.state === "failed" ? "The training failed; the last lines say why." : "Stopped."));
    if (job.lines.length) parts.push(el("details", { open: !job.verdict }, el("summary", {}, running ? "Training; recording goes on" : "What was done"), el("pre", { tabindex: "0" }, job.lines.join("\n"))));
    this.progress.replaceChildren(...parts);
    const box = this.progress.querySelector("pre");
    if (box) box.scrollTop = box.scrollHeight;
    const found = JSON.stringify(job.verdict);
    if (found === this.found) return;
    this.found = found;
    this.result.replaceChildren(...(job.verdict ? [verdict(job.verdict, job)] : []));
    if (job.verdict && !this.node.hidden) this.result.scrollIntoView({ block: "center" });
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
  const use = el("select", { "aria-label": `Use of ${one.name}`, onchange: () => ask("use", { name: one.name, use: use.value }).catch(() => { use.value = one.use; }) },
    ...["auto", "train", "test", "leave out"].map((name) => el("option", { value: name, selected: name === one.use }, name)));
  const role = one.use === "leave out" ? "left out" : one.role || "nothing recorded";
  return el("li", { class: "row" }, el("span", {}, one.name, el("br"), el("small", {}, `${one.person}, ${one.device} `),
    el("span", { class: `role ${one.role}` }, role)), use);
}

function verdict(found, job) {
  const passed = found.headline === "Passed";
  const few = found.decisions < 30 ? ` Only ${found.decisions} decisions: the figure is rough.` : "";
  const errors = job.learn === "positions" && found.errors_m;
  const quality = errors ? `Median error ${errors.p50.toFixed(2)} m, 90 % within ${errors.p90.toFixed(2)} m`
    : `Accuracy ${percent(found.accuracy)}, macro F1 ${found.macro_f1.toFixed(2)}`;
  return el("div", { class: passed ? "verdict" : "verdict bad", id: "verdict" },
    el("p", { class: `big ${passed ? "good" : "bad"}` }, `${found.headline} on ${job.board}`),
    el("p", {}, `${quality} on the test set, ${found.decisions} decisions.${few}`),
    found.chance && !passed ? el("p", {}, found.chance) : null,
    el("p", {}, `${found.agreement} ${found.fitting}`),
    el("table", {}, el("tbody", {}, ...found.budget.map((line) => el("tr", {}, el("th", { scope: "row" }, line.name),
      el("td", { class: line.ok ? "good" : "bad" }, `${number(line.used)} of ${number(line.limit)} ${line.unit}`))))),
    el("p", { class: "soft" }, "See it at work: ", el("code", {}, `tinyloc live ${found.run} --board ${job.board} --source PORT`)));
}

function number(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}
