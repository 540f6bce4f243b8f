// The page: an engine, a model, and the tabs that look at it.
import { EngineError, load } from "play/engine.js";
import { file } from "play/files.js";
import { Inside } from "play/inside.js";
import { Lesson } from "play/lesson.js";
import { Measure } from "play/measure.js";
import { Model } from "play/model.js";
import { Pad } from "play/pad.js";
import { Settings } from "play/settings.js";
import { Tabs } from "play/tabs.js";
import { Training } from "play/train.js";

const $ = (selector) => document.querySelector(selector);
const DIVERGED = 7;

class App {
  constructor(engine) {
    this.engine = engine;
    this.model = null;
    this.training = new Training(this);
    this.inside = new Inside(this);
    this.lesson = new Lesson(this);
    this.measure = new Measure(this);
    this.pad = new Pad(this);
    this.tabs = new Tabs((name) => this.opened(name));
    this.settings = new Settings(engine, () => this.rebuild());
  }

  // Runs something that the engine may refuse; whether it went well.
  attempt(run) {
    try {
      run();
      this.complain("");
      return true;
    } catch (error) {
      if (!(error instanceof EngineError)) {
        this.complain(`The page has failed (${error.message}): load it again.`);
        throw error;
      }
      const advice = error.status === DIVERGED ? " Take a smaller learning rate, and start again." : "";
      this.complain(`${error.message}.${advice}`);
      return false;
    }
  }

  complain(words) {
    $("#complaint").textContent = words;
    $("#complaint").hidden = !words;
  }

  // A new network of what the form says.
  async rebuild() {
    this.training.stop();
    const turn = (this.turn = {});
    let read;
    try {
      read = await this.settings.read();
    } catch (error) {
      return this.complain(error.message);
    }
    if (turn !== this.turn) return; // somebody changed more meanwhile
    const before = this.model;
    const well = this.attempt(() => {
      this.model = new Model(this.engine, read.data, read.spec);
    });
    if (!well) return;
    this.training.show();
    before?.close();
    $("#said").textContent = "";
    this.moved();
  }

  // The model has gone on, or is another.
  moved() {
    this.inside.moved();
  }

  opened(name) {
    if (name !== "train") this.training.stop();
    if (name === "lesson") this.lesson.opened();
    this.training.draw(true);
    this.pad.draw();
    this.moved();
  }
}

try {
  const app = new App(await load(file));
  await app.rebuild();
  app.opened(app.tabs.name);
  document.documentElement.dataset.ready = "";
} catch (error) {
  $("#complaint").textContent = `This browser cannot run the page: ${error.message}`;
  $("#complaint").hidden = false;
  throw error;
}
