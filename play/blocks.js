// A matrix on the page: numbers in a table, or, where they are too many, colours. Either is moved
// through by the arrow keys.
import { colour, context, css, heat, onTheme, short } from "play/theme.js";

const MOST_COLUMNS = 6, MOST_ROWS = 16;

// Numbers that lie elsewhere: rows, cols, at(i, j); nothing is copied.
export class Matrix {
  constructor(what, m, rows, cols, at) {
    Object.assign(this, { what, m, rows, cols, at });
  }

  get transposed() {
    const turned = new Matrix(this.what, this.m, this.cols, this.rows, (i, j) => this.at(j, i));
    turned.isTransposed = !this.isTransposed;
    return turned;
  }

  column(k) {
    return new Matrix(this.what, this.m, this.rows, 1, (i) => this.at(i, k));
  }

  get most() {
    let most = 0;
    for (let i = 0; i < this.rows; i++) {
      for (let j = 0; j < this.cols; j++) most = Math.max(most, Math.abs(this.at(i, j)));
    }
    return most;
  }
}

export class Block {
  // `title`: markup of its name; `say(i, j)`: what a cell is, in words; `choose(i, j)` or null
  constructor(matrix, { title, label, say, choose, mark = "", hidden = false }) {
    Object.assign(this, { matrix, say, choose, hidden, cursor: null });
    this.element = document.createElement("div");
    this.element.className = `block ${mark}`;
    const { rows, cols } = matrix;
    this.element.innerHTML =
      `<div class="block-name"><span>${title}</span> <small>${rows} × ${cols}</small></div>`;
    this.isTable = cols <= MOST_COLUMNS && rows <= MOST_ROWS;
    this.body = this.isTable ? this.table() : this.map();
    this.body.tabIndex = 0;
    this.body.role = "group";
    this.body.ariaLabel =
      `${label}, ${rows} by ${cols}. ${hidden ? "Not computed yet." : "Arrow keys read the numbers" +
      (choose ? ", Enter moves one." : ".")}`;
    this.element.append(this.body);
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => this.click(event));
  }

  table() {
    const { matrix, hidden } = this;
    const table = document.createElement("table");
    table.className = this.choose && !hidden ? "matrix movable" : "matrix";
    const most = hidden ? 0 : matrix.most;
    for (let i = 0; i < matrix.rows; i++) {
      const row = table.insertRow();
      for (let j = 0; j < matrix.cols; j++) {
        const cell = row.insertCell();
        cell.textContent = hidden ? "·" : short(matrix.at(i, j));
        if (!hidden) cell.style.background = css(heat(matrix.at(i, j), most, true));
      }
    }
    return table;
  }

  map() {
    const canvas = document.createElement("canvas");
    const { rows, cols } = this.matrix;
    const side = (count) => Math.max(4, Math.min(16, Math.floor(280 / count)));
    this.cell = [side(rows), side(cols)];
    canvas.className = this.choose ? "matrix movable" : "matrix";
    canvas.style.height = `${rows * this.cell[0]}px`;
    canvas.style.width = `${cols * this.cell[1]}px`;
    return canvas;
  }

  // A canvas is drawn once it is on the page.
  draw() {
    if (this.isTable) return;
    const { c, width, height } = context(this.body);
    const { matrix, hidden, cell: [down, across] } = this;
    const most = hidden ? 0 : matrix.most;
    for (let i = 0; i < matrix.rows; i++) {
      for (let j = 0; j < matrix.cols; j++) {
        c.fillStyle = css(hidden ? colour("card") : heat(matrix.at(i, j), most));
        c.fillRect(j * across, i * down, across, down);
      }
    }
    if (hidden) {
      c.fillStyle = css(colour("line"));
      for (let k = 0; k < width + height; k += 8) c.fillRect(k, 0, 1, height);
    }
    if (this.cursor) {
      c.strokeStyle = css(colour("text"));
      c.lineWidth = 2;
      const [i, j] = this.cursor;
      c.strokeRect(j * across + 1, i * down + 1, across - 2, down - 2);
    }
  }

  move(i, j, announce) {
    const { rows, cols } = this.matrix;
    this.cursor = [Math.min(rows - 1, Math.max(0, i)), Math.min(cols - 1, Math.max(0, j))];
    if (this.isTable) {
      this.element.querySelector(".cursor")?.classList.remove("cursor");
      this.body.rows[this.cursor[0]].cells[this.cursor[1]].classList.add("cursor");
    } else this.draw();
    announce(this.hidden ? "Not computed yet." : this.say(...this.cursor));
  }

  key(event) {
    const step = {
      ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    }[event.key];
    if (step) {
      event.preventDefault();
      const [i, j] = this.cursor ?? [-step[0], -step[1]];
      this.move(i + step[0], j + step[1], this.announce);
    } else if (event.key === "Home") {
      event.preventDefault();
      this.move(0, 0, this.announce);
    } else if (event.key === "Enter" && this.cursor && this.choose && !this.hidden) {
      event.preventDefault();
      this.choose(...this.cursor);
    }
  }

  click(event) {
    let place;
    if (this.isTable) {
      const cell = event.target.closest("td");
      if (!cell) return;
      place = [cell.parentElement.rowIndex, cell.cellIndex];
    } else {
      const box = this.body.getBoundingClientRect();
      place = [event.clientY - box.top, event.clientX - box.left].map((at, k) =>
        Math.floor(at / this.cell[k]));
    }
    this.move(...place, this.announce);
    if (this.choose && !this.hidden) this.choose(...this.cursor);
  }
}
export { onTheme };
