// The tabs, as the ARIA practices have them: arrows move, and the address remembers.

export class Tabs {
  constructor(opened) {
    this.opened = opened;
    this.tabs = [...document.querySelectorAll("[role=tab]")];
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.open(tab));
      tab.addEventListener("keydown", (event) => this.key(event, tab));
    }
    addEventListener("hashchange", () => this.openHash());
    for (const link of document.querySelectorAll("a[data-tab]")) {
      link.addEventListener("click", () => scrollTo(0, 0));
    }
    const named = this.tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash);
    this.open(named ?? this.tabs[0], false);
  }

  // The part that is open.
  get name() {
    return this.tabs.find((tab) => tab.ariaSelected === "true").getAttribute("aria-controls");
  }

  openName(name) {
    this.open(this.tabs.find((tab) => tab.getAttribute("aria-controls") === name));
    scrollTo(0, 0);
  }

  openHash() {
    const tab = this.tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash);
    if (tab) this.open(tab);
  }

  open(tab, tell = true) {
    for (const other of this.tabs) {
      const on = other === tab;
      other.ariaSelected = String(on);
      other.tabIndex = on ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !on;
    }
    const name = tab.getAttribute("aria-controls");
    if (location.hash !== `#${name}` && tell) history.replaceState(null, "", `#${name}`);
    if (tell) this.opened(name);
  }

  key(event, tab) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const place = this.tabs.indexOf(tab);
    const to = step
      ? (place + step + this.tabs.length) % this.tabs.length
      : { Home: 0, End: this.tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.open(this.tabs[to]);
    this.tabs[to].focus();
  }
}
