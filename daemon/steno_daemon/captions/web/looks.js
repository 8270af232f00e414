/** The controls of how the page looks, and the captions alone on a screen. */

import { Settings } from "./settings.js";

const AWAKE_MS = 2_500;
const byId = (id) => document.getElementById(id);

export class Looks {
  #settings;
  #asleep = null;

  constructor() {
    this.#settings = new Settings((settings) => this.#reflect(settings));
    byId("smaller").addEventListener("click", () => this.resize(-1));
    byId("larger").addEventListener("click", () => this.resize(1));
    byId("theme").addEventListener("click", () => this.toggleTheme());
    byId("present").addEventListener("click", () => this.togglePresenting());
    byId("settings-open").addEventListener("click", () => this.openSettings());
    byId("size").addEventListener("input", (event) => {
      this.#settings.size = Number(event.target.value);
    });
    byId("times").addEventListener("change", (event) => {
      this.#settings.times = event.target.checked;
    });
    byId("keys").addEventListener("change", (event) => {
      this.#settings.keys = event.target.checked;
    });
    for (const radio of document.getElementsByName("theme")) {
      radio.addEventListener("change", () => {
        this.#settings.theme = radio.value;
      });
    }
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement) {
        this.#present(false);
      }
    });
    for (const kind of ["pointermove", "pointerdown", "keydown"]) {
      document.addEventListener(kind, () => this.#wake(), { passive: true });
    }
  }

  /** Whether single keys work. */
  get keys() {
    return this.#settings.keys;
  }

  /** Make the text larger or smaller by steps. */
  resize(steps) {
    this.#settings.size += steps;
  }

  /** Go from light to dark or back. */
  toggleTheme() {
    this.#settings.theme = this.#settings.shown === "light" ? "dark" : "light";
  }

  openSettings() {
    if (!byId("settings").open) {
      byId("settings").showModal();
    }
  }

  /** Fill the screen with captions, or stop that. */
  togglePresenting() {
    const begin = !document.body.classList.contains("presenting");
    this.#present(begin);
    if (begin) {
      // Telephones may lack it; then the page alone is filled.
      document.documentElement.requestFullscreen?.().catch(() => {});
    } else if (document.fullscreenElement) {
      document.exitFullscreen().catch(() => {});
    }
  }

  #present(on) {
    document.body.classList.toggle("presenting", on);
    byId("present").setAttribute("aria-pressed", String(on));
    this.#wake();
  }

  /** Show the bars for a moment. */
  #wake() {
    if (!document.body.classList.contains("presenting")) {
      return;
    }
    document.body.classList.add("awake");
    clearTimeout(this.#asleep);
    this.#asleep = setTimeout(() => document.body.classList.remove("awake"), AWAKE_MS);
  }

  #reflect(settings) {
    byId("smaller").disabled = settings.size === 1;
    byId("larger").disabled = settings.size === settings.largest;
    byId("size").value = settings.size;
    byId("times").checked = settings.times;
    byId("keys").checked = settings.keys;
    for (const radio of document.getElementsByName("theme")) {
      radio.checked = radio.value === settings.theme;
    }
  }
}
