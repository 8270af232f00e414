/** Where the daemon is, and what the address of this page asks for. */

const HERE = new URL("../", import.meta.url);
const TOKEN_KEY = "steno.token";

let keptToken = "";

/** What follows the question mark of the page's address. */
export function query() {
  return new URLSearchParams(location.search);
}

/**
 * Take the token out of `#token=…` and forget the fragment.
 *
 * A fragment never leaves the browser, and a stripped address can be shown on a screen or shared.
 * Returns whether there was one.
 */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) {
    return false;
  }
  setToken(given);
  history.replaceState(history.state, "", location.pathname + location.search);
  return true;
}

/** The token of this tab, "" without one. */
export function token() {
  try {
    return sessionStorage.getItem(TOKEN_KEY) ?? keptToken;
  } catch {
    return keptToken;
  }
}

/** Keep a token as long as the tab is open. */
export function setToken(value) {
  keptToken = value;
  try {
    sessionStorage.setItem(TOKEN_KEY, value);
  } catch {
    // Storage is switched off: the token lasts as long as the page.
  }
}

/** The http address of a path below the daemon's root, with the token and what else it asks. */
export function httpAddress(path, asks = {}) {
  const url = new URL(path, HERE);
  for (const [name, value] of Object.entries(asks)) {
    url.searchParams.set(name, value);
  }
  if (token()) {
    url.searchParams.set("token", token());
  }
  return url.href;
}

/** The same as a WebSocket's address. */
export function socketAddress(path, asks = {}) {
  return httpAddress(path, asks).replace(/^http/, "ws");
}
