/* One chart: curves over time by uPlot, with the marks of what happened, a legend of the values and a table of them. */
/* global uPlot */
import { known, make, moment } from "./format.js";

const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];

/* of an axis: the time of day, and below the first and each midnight the day */
function times(plot, splits, axis, space, step) {
  let day = "";
  return splits.map((at) => {
    const when = new Date(1000 * at),
      date = when.toLocaleDateString("en-GB", {
        day: "numeric",
        month: "short",
        ...(step > 2e7 ? { year: "numeric" } : {}),
      });
    if (step >= 86400) return date;
    const time = when.toLocaleTimeString("en-GB").slice(0, step < 60 ? 8 : 5),
      text = date === day ? time : time + "\n" + date;
    day = date;
    return text;
  });
}

const sync = uPlot.sync("time");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const SIGNS = {
  adopted: "▲",
  refused: "✕",
  interrupted: "–",
  rollback: "◆",
  started: "●",
  fell: "▼",
  changed: "≠",
  erased: "∅",
};
export const signOf = ({ kind, outcome }) =>
  ({
    rollback: "rollback",
    started: "started",
    accuracy_fell: "fell",
    labels_changed: "changed",
    erased: "erased",
  })[kind] ||
  outcome ||
  "changed";

export class Chart {
  /* lines: name of a series to {title, axis ("y" or "right")}; `format` and `right` write values of the two axes */
  constructor(place, { title, lines, format, right, range, describe }) {
    Object.assign(this, {
      lines,
      format,
      right,
      range,
      describe,
      marks: [],
      plot: null,
      names: "",
      looks: new Map(),
    });
    this.draw = make("div", { name: "draw" });
    this.tip = make("div", { name: "tip", hidden: true });
    this.table = make("table", { name: "wide" });
    this.values = make(
      "details",
      {},
      make("summary", { text: "as a table" }),
      make("div", { name: "scroll" }, this.table),
    );
    this.values.addEventListener("toggle", () => this.fillTable());
    this.card = make("div", { name: "card chart" }, make("h3", { text: title }), this.draw, this.values);
    this.card.setAttribute("role", "group");
    this.card.setAttribute("aria-label", title);
    place.append(this.card);
    this.title = title;
    new ResizeObserver(() => this.plot && this.plot.setSize(this.size())).observe(this.draw);
  }

  size() {
    return { width: Math.max(200, this.draw.clientWidth), height: 190 };
  }

  /* shows `found`, an answer of /v1/history, of which it takes its own series */
  update(found, describe) {
    const lines = this.lines(found.series),
      names = JSON.stringify([lines, matchMedia("(prefers-color-scheme: dark)").matches]);
    this.found = found;
    this.marks = found.marks;
    this.describe = describe;
    this.shown = lines.map(({ name }) => found.series[name]);
    this.card.hidden = !lines.length || !found.times.length;
    if (this.card.hidden) return;
    const data = [found.times, ...this.shown];
    if (this.plot && names === this.names) {
      this.plot.setData(data, false);
      if (this.plot.cursor.left < 0) this.plot.setLegend({ idx: null }); // the newest values
    } else {
      if (this.plot) this.plot.destroy();
      this.names = names;
      this.plot = new uPlot(this.options(lines), data, this.draw);
      this.plot.over.append(this.tip);
    }
    this.plot.setScale("x", { min: found.since_s, max: found.until_s });
    this.titles = lines.map(({ title }) => title);
    const last = (values) => values.findLast(known);
    this.draw.setAttribute("role", "img");
    this.draw.setAttribute(
      "aria-label",
      this.title +
        ": " +
        lines.map((one, i) => one.title + " " + this.formatOf(one)(last(this.shown[i]))).join(", "),
    );
    if (this.values.open) this.fillTable();
  }

  formatOf({ axis }) {
    return axis === "right" ? this.right : this.format;
  }

  options(lines) {
    const ink = colour("--soft"),
      grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: ink, grid, ticks: grid, font: "11px system-ui, sans-serif" };
    const written = (format) => (plot, values) => values.map((value) => (known(value) ? format(value) : ""));
    const axes = [
      { ...axis, values: times },
      { ...axis, size: 66, values: written(this.format) },
    ];
    if (this.right)
      axes.push({
        ...axis,
        scale: "right",
        side: 1,
        size: 66,
        grid: { show: false },
        values: written(this.right),
      });
    for (const { name } of lines) if (!this.looks.has(name)) this.looks.set(name, this.looks.size); // a line keeps its look
    const look = ({ name }) => this.looks.get(name);
    const series = lines.map((one, i) => ({
      label: one.title,
      scale: one.axis || "y",
      stroke: colour("--c" + ((look(one) % 8) + 1)),
      width: one.strong ? 2.5 : 1.5,
      spanGaps: false,
      dash: DASHES[(one.strong ? 0 : Math.floor(look(one) / 8) + look(one)) % 4],
      points: { size: 4 },
      /* of no moment that is pointed at, the last value */ value: (plot, value, at, place) => {
        const found = place === null ? this.shown[i].findLast(known) : value;
        return known(found) ? this.formatOf(one)(found) : "–";
      },
    }));
    const free = (plot, low, high) => (known(high) ? [0, high > 0 ? 1.08 * high : 1] : [0, 1]);
    return {
      ...this.size(),
      axes,
      series: [{ label: "time", value: (plot, value) => (known(value) ? moment(value) : "now") }, ...series],
      scales: { x: { time: true }, y: { range: this.range || free }, right: { range: free } },
      cursor: { sync: { key: sync.key }, points: { size: 6 } },
      legend: { live: true },
      hooks: { draw: [(plot) => this.drawMarks(plot)], setCursor: [(plot) => this.point(plot)] },
    };
  }

  drawMarks(plot) {
    const { ctx, bbox } = plot,
      ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top - 14 * ratio, bbox.width, bbox.height + 14 * ratio);
    ctx.clip();
    ctx.font = 11 * ratio + "px system-ui, sans-serif";
    ctx.textAlign = "center";
    for (const mark of this.marks) {
      const sign = signOf(mark),
        at = Math.round(plot.valToPos(mark.at_s, "x", true));
      ctx.strokeStyle = ctx.fillStyle = colour(
        ["refused", "fell"].includes(sign) ? "--second" : sign === "adopted" ? "--main" : "--soft",
      );
      ctx.globalAlpha = 0.55;
      ctx.setLineDash(sign === "adopted" ? [] : [3 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
      ctx.globalAlpha = 1;
      ctx.fillText(SIGNS[sign] || "•", at, bbox.top - 2 * ratio);
    }
    ctx.restore();
  }

  /* says what the mark near the cursor is */
  point(plot) {
    const { left } = plot.cursor,
      near =
        left < 0 ? null : this.marks.findLast((mark) => Math.abs(plot.valToPos(mark.at_s, "x") - left) < 6);
    this.tip.hidden = !near;
    if (!near) return;
    this.tip.textContent = moment(near.at_s) + " " + this.describe(near);
    this.tip.style.left = Math.min(left + 8, Math.max(0, plot.over.clientWidth - 220)) + "px";
    this.tip.style.top = "4px";
  }

  fillTable() {
    const { times } = this.found,
      row = (cells, kind) => make("tr", {}, ...cells.map((text) => make(kind, { text })));
    const rows = times
      .slice(-20)
      .map((at, i, all) =>
        row(
          [
            moment(at),
            ...this.shown.map((values, k) =>
              this.formatOf(this.lines(this.found.series)[k])(values[times.length - all.length + i]),
            ),
          ],
          "td",
        ),
      );
    this.table.replaceChildren(row(["time", ...this.titles], "th"), ...rows.reverse());
  }
}
