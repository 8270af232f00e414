/** What to speak in and into: the lists of domains and of microphones, and what was chosen. */

import { httpAddress, query } from "./address.js";
import { microphones } from "./microphone.js";
import { store, stored } from "./settings.js";

const GENERAL = "general";

export class Choices {
  #domains = document.getElementById("domain");
  #devices = document.getElementById("device");
  #even = document.getElementById("even");
  #domain = query().get("domain") ?? stored("domain") ?? GENERAL;

  constructor() {
    this.#even.checked = stored("even") !== "off";
    this.fillDomains([GENERAL]);
    navigator.mediaDevices?.addEventListener?.("devicechange", () => void this.listDevices());
    void this.listDomains();
    void this.listDevices();
  }

  /** The domain to speak in. */
  get domain() {
    return this.#domains.value;
  }

  /** The microphone: its id, "" for any, and whether its loudness is evened out. */
  get sound() {
    return { device: this.#devices.value, even: this.#even.checked };
  }

  keepDomain() {
    this.#domain = this.domain;
    store("domain", this.domain);
  }

  keepSound() {
    store("device", this.sound.device);
    store("even", this.sound.even ? "on" : "off");
  }

  /** Show in which domain somebody else speaks; there is nothing to choose then. */
  showDomain(name) {
    this.#fill(this.#domains, [...new Set([...this.#names(), name])], name);
    this.#domains.disabled = true;
  }

  /** Let the domain be chosen. */
  free() {
    this.#domains.disabled = false;
    this.#choose();
  }

  /** Ask the daemon for its domains. */
  async listDomains() {
    try {
      const answer = await fetch(httpAddress("healthz"), { cache: "no-store" });
      this.fillDomains((await answer.json()).models);
    } catch {
      // No daemon there now; `ready` tells them as well.
    }
  }

  fillDomains(names) {
    const same = names.length === this.#names().length;
    if (!same || names.some((name, index) => name !== this.#names()[index])) {
      const shown = this.#domains.disabled ? this.domain : this.#domain;
      this.#fill(this.#domains, names, shown);
    }
  }

  /** List the microphones; used: the id of the one that is open. */
  async listDevices(used = "") {
    const known = (await microphones()).filter(({ label }) => label !== "");
    const wanted = used || stored("device") || "";
    const usual = { id: "", label: "The browser's choice" };
    const entries = [usual, ...known.filter(({ id }) => id !== "default")];
    this.#devices.replaceChildren(...entries.map(({ id, label }) => new Option(label, id)));
    this.#devices.value = entries.some(({ id }) => id === wanted) ? wanted : "";
  }

  #names() {
    return [...this.#domains.options].map(({ value }) => value);
  }

  #choose() {
    this.#fill(this.#domains, this.#names(), this.#domain);
  }

  #fill(select, names, chosen) {
    select.replaceChildren(...names.map((name) => new Option(name, name)));
    select.value = names.includes(chosen) ? chosen : (names[0] ?? "");
  }
}
