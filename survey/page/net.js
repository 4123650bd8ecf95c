// The socket that brings the state, and commands that change it.

let showError = () => {};

export function onError(show) {
  showError = show;
}

export async function ask(command, body = {}) {
  return send(`do/${command.replaceAll(" ", "-")}`, { method: "POST", body: JSON.stringify(body) });
}

export async function upload(floor, file) {
  return send(`picture/${floor}`, { method: "PUT", body: file });
}

async function send(path, options) {
  try {
    const answer = await fetch(path, options);
    const content = await answer.json();
    if (content.error) throw new Error(content.error);
    showError("");
    return content.done;
  } catch (error) {
    showError(error.message);
    throw error;
  }
}

export function connect(take, lost) {
  const socket = new WebSocket(new URL("socket", location.href).href.replace(/^http/, "ws"));
  socket.onmessage = (event) => take(JSON.parse(event.data));
  socket.onclose = () => {
    lost();
    setTimeout(() => connect(take, lost), 1000);
  };
}

