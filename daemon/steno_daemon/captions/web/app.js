/** The caption page: joins what people press to what speaks, watches and shows. */

import { query, setToken, takeToken, token } from "./address.js";
import { Desk } from "./desk.js";
import { listenToKeys } from "./keys.js";
import { Looks } from "./looks.js";
import { MICROPHONE, Sources } from "./sources.js";

const byId = (id) => document.getElementById(id);

takeToken();
const looks = new Looks();
const desk = new Desk({ askForToken });
const sources = new Sources(byId("source"), (status) => status === 401 && askForToken());

function show(source) {
  sources.choose(source);
  desk.show(source);
}

function askForToken() {
  const dialog = byId("ask-token");
  if (dialog.open) {
    return;
  }
  byId("ask-token-why").textContent = token()
    ? "The one that was given is wrong. Whoever runs the daemon gives it out."
    : "Whoever runs the daemon gives it out.";
  byId("token").value = "";
  dialog.returnValue = "";
  dialog.showModal();
}

byId("ask-token").addEventListener("close", () => {
  if (byId("ask-token").returnValue === "ok") {
    setToken(byId("token").value.trim());
    void sources.refresh();
    desk.again();
  }
});

byId("source").addEventListener("change", () => desk.show(sources.chosen));
byId("domain").addEventListener("change", () => desk.changeDomain());
byId("device").addEventListener("change", () => desk.changeSound());
byId("even").addEventListener("change", () => desk.changeSound());
byId("speak").addEventListener("click", () => desk.toggle());
byId("copy").addEventListener("click", () => desk.copy());
byId("save-txt").addEventListener("click", () => desk.saveText());
byId("save-vtt").addEventListener("click", () => desk.saveVtt());
byId("clear").addEventListener("click", () => desk.clear());
byId("transcript").addEventListener("click", () => byId("transcript").hidePopover?.());

listenToKeys(looks, {
  m: () => sources.chosen === MICROPHONE && desk.toggle(),
  c: () => desk.copy(),
  End: () => desk.toEnd(),
});

addEventListener("hashchange", () => {
  if (takeToken()) {
    void sources.refresh();
    desk.again();
  }
});
addEventListener("online", () => desk.hurry());
addEventListener("pagehide", () => desk.leave());
addEventListener("pageshow", ({ persisted }) => persisted && desk.show(sources.chosen));
addEventListener("beforeunload", (event) => desk.isSpeaking && event.preventDefault());

const wanted = query().get("session");
show(wanted || MICROPHONE);
void sources.refresh();
