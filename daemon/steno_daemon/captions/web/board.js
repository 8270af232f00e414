/** Everything the page says about itself: the status, notices, the empty screen, the one button. */

const TOAST_MS = 2_500;
const byId = (id) => document.getElementById(id);

export class Board {
  #toastTimer = null;
  #noticeAbout = "";
  #act = () => {};

  constructor() {
    byId("notice-close").addEventListener("click", () => this.clearNotice());
    byId("notice-action").addEventListener("click", () => {
      const act = this.#act;
      this.clearNotice();
      act();
    });
  }

  /**
   * Say how things are.
   *
   * kind: idle, live, watching or waiting.
   * more: what changes every second and is not read aloud.
   */
  status(kind, text, more = "") {
    const element = byId("status");
    element.dataset.kind = kind;
    setText(byId("status-text"), text);
    setText(byId("status-more"), more);
    document.title = kind === "live" ? `● ${text} – Steno captions` : "Steno captions";
  }

  /**
   * Say what went wrong, over the captions.
   *
   * about: what it is about, so that `clearNotice` can take it back; kind: bad or waiting.
   */
  notice(about, text, { kind = "bad", label = "", act = () => {} } = {}) {
    this.#noticeAbout = about;
    this.#act = act;
    byId("notice").dataset.kind = kind;
    setText(byId("notice-text"), text);
    setText(byId("notice-action"), label);
    byId("notice-action").hidden = label === "";
    byId("notice").hidden = false;
  }

  /** Take the notice away, or only one that is about something. */
  clearNotice(about = this.#noticeAbout) {
    if (about === this.#noticeAbout) {
      byId("notice").hidden = true;
      byId("notice-text").textContent = ""; // said again, it is read again
    }
  }

  /** Say that something was done. */
  toast(text) {
    const element = byId("toast");
    element.textContent = text;
    element.classList.add("on");
    clearTimeout(this.#toastTimer);
    this.#toastTimer = setTimeout(() => element.classList.remove("on"), TOAST_MS);
  }

  /** What an empty screen says. */
  welcome(title, text) {
    setText(byId("welcome-title"), title);
    setText(byId("welcome-text"), text);
  }

  /** The large button: what it says and whether it starts or stops; null for none. */
  button(label, does = "start") {
    const element = byId("speak");
    element.hidden = label === null;
    element.dataset.does = does;
    setText(element.querySelector("span"), label ?? "");
    const icon = does === "stop" ? "#i-stop" : "#i-microphone";
    element.querySelector("use").setAttribute("href", icon);
  }

  /** How loud the microphone is, 0 … 1; null hides the meter. */
  level(peak) {
    const element = byId("level");
    element.classList.toggle("on", peak !== null);
    // Decibels, as ears hear: 60 dB fill the meter.
    const shown = peak ? Math.max(0, 1 + (20 * Math.log10(peak)) / 60) : 0;
    element.style.setProperty("--level", shown.toFixed(2));
  }
}

/** A live region is read aloud when its text is set, even to the same. */
function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
