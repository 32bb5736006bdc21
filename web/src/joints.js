// Each joint: where it is within its limits, and the plan beside what was done.
import uPlot from "uplot";
import { $, css, make, setClass, setText } from "./dom.js";

const KEPT_S = 8;

export class Joints {
  hello(message) {
    this.samples = [];
    const plan = message.colours.plan.map(css);
    this.rows = message.joints.map((joint) => new Row(joint, plan));
    const groups = new Map();
    for (const row of this.rows) {
      if (!groups.has(row.joint.group)) groups.set(row.joint.group, []);
      groups.get(row.joint.group).push(row);
    }
    $("joints").replaceChildren(
      ...[...groups].map(([name, rows]) => {
        const group = make("div");
        group.append(make("h3", "", name.replaceAll("_", " ")), ...rows.map((row) => row.element));
        return group;
      }),
    );
    this.seen?.disconnect();
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const row = this.rows.find(({ element }) => element === entry.target);
        if (row) row.visible = entry.isIntersecting;
      }
    });
    for (const row of this.rows) this.seen.observe(row.element);
  }

  state(state) {
    const now = state.time;
    if (this.samples.length && now < this.samples[this.samples.length - 1].time) this.samples = [];
    this.samples.push({ time: now, measured: state.measured, command: state.command });
    while (this.samples[0].time < now - KEPT_S) this.samples.shift();
    const chunk = state.chunk;
    const points = chunk ? chunk.positions.length : 0;
    const end = chunk ? chunk.stamp + chunk.step * (points - 1) - now : -1;
    const span = chunk ? chunk.step * points : 1;
    const limits = new Map(state.scene.limits.map((hit) => [hit.joint, hit.text]));
    const past = this.samples.map((sample) => sample.time - now);
    const ahead = end > 0 ? chunk.positions : [];
    const due = ahead.map((_, k) => chunk.stamp + chunk.step * k - now);
    this.rows.forEach((row, d) => {
      if (!row.visible) return;
      const planned = ahead.map((point) => point[d]);
      row.draw({
        past,
        measured: this.samples.map((sample) => sample.measured[d]),
        command: this.samples.map((sample) => sample.command[d]),
        due,
        planned,
        before: Math.min(KEPT_S, Math.max(2, 2 * span)),
        after: Math.max(span, 0.3),
        limit: limits.get(row.joint.name),
      });
    });
  }
}

class Row {
  constructor(joint, planColours) {
    this.joint = joint;
    this.planColours = planColours;
    this.visible = true;
    this.element = make("div", "joint");
    this.value = make("span", "value", "–");
    const name = make("span", "name");
    name.append(make("b", "", joint.name.replaceAll("_", " ")), this.value);
    this.range = make("span", "range");
    this.parts = Object.fromEntries(
      ["span", "measured", "command"].map((part) => [part, make("i", part)]),
    );
    this.range.append(...Object.values(this.parts));
    this.range.title = `${joint.lower} to ${joint.upper} ${joint.unit}`;
    this.plot = make("span", "plot");
    this.why = make("span", "why");
    // Asking for its size while drawing would lay out the whole page once for each joint.
    this.width = this.height = 0;
    new ResizeObserver(([{ contentRect }]) => {
      this.width = Math.round(contentRect.width);
      this.height = Math.round(contentRect.height);
    }).observe(this.plot);
    this.element.append(name, this.range, this.plot, this.why);
  }

  draw(data) {
    const { lower, upper, unit } = this.joint;
    const share = (value) => Math.min(1, Math.max(0, (value - lower) / (upper - lower)));
    const last = (values) => values[values.length - 1];
    const measured = last(data.measured) ?? null;
    const command = last(data.command) ?? null;
    const shown = measured ?? command;
    setText(this.value, shown === null ? "–" : written(shown, unit));
    place(this.parts.measured, measured === null ? null : share(measured));
    place(this.parts.command, command === null ? null : share(command));
    const ahead = data.planned.filter((_, k) => data.due[k] >= 0).map(share);
    const [from, to] = ahead.length ? [Math.min(...ahead), Math.max(...ahead)] : [0, 0];
    this.parts.span.style.left = `${from * 100}%`;
    this.parts.span.style.width = `${(to - from) * 100}%`;
    setClass(this.element, "limit", Boolean(data.limit));
    setText(this.why, (data.limit ?? "").replace("held back by the filter", "held back"));
    this.chart(data);
  }

  chart({ past, measured, command, due, planned, before, after }) {
    if (!this.width) return;
    if (this.uplot?.width !== this.width) {
      this.uplot?.destroy();
      this.window = [-before, after];
      this.uplot = new uPlot(options(this, this.width, this.height), null, this.plot);
    }
    this.window = [-before, after];
    this.uplot.setData(uPlot.join([[past, measured, command], [due, planned]]));
  }
}

function options(row, width, height) {
  const least = 0.03 * (row.joint.upper - row.joint.lower);
  return {
    width,
    height,
    padding: [3, 0, 3, 0],
    legend: { show: false },
    cursor: { show: false },
    axes: [{ show: false }, { show: false }],
    scales: {
      x: { time: false, range: () => row.window },
      y: { range: (_, low, high) => widened(low, high, least) },
    },
    series: [
      {},
      { stroke: "#6f7b90", width: 1.5, spanGaps: true, points: { show: false } },
      { stroke: "#ffffff", width: 1.5, spanGaps: true, points: { show: false } },
      { stroke: (plot) => soonToLate(plot, row.planColours), width: 3, spanGaps: true, points: { show: false } },
    ],
    hooks: { draw: [nowLine] },
  };
}

function widened(low, high, least) {
  if (low === null || low === undefined) return [-1, 1];
  const extra = Math.max(0, least - (high - low)) / 2 + 0.05 * (high - low);
  return [low - extra, high + extra];
}

// From now to the end of the plan.
function soonToLate(plot, colours) {
  const from = plot.valToPos(0, "x", true);
  const to = plot.valToPos(plot.scales.x.max, "x", true);
  if (!Number.isFinite(from) || !Number.isFinite(to) || from === to) return colours[0];
  const gradient = plot.ctx.createLinearGradient(from, 0, to, 0);
  colours.forEach((colour, k) => gradient.addColorStop(k / (colours.length - 1), colour));
  return gradient;
}

function nowLine(plot) {
  const x = Math.round(plot.valToPos(0, "x", true)) + 0.5;
  plot.ctx.save();
  plot.ctx.strokeStyle = "#55617a";
  plot.ctx.setLineDash([3, 3]);
  plot.ctx.beginPath();
  plot.ctx.moveTo(x, plot.bbox.top);
  plot.ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
  plot.ctx.stroke();
  plot.ctx.restore();
}

function place(mark, share) {
  mark.hidden = share === null;
  if (share !== null) mark.style.left = `${share * 100}%`;
}

function written(value, unit) {
  if (unit === "rad") return `${((value * 180) / Math.PI).toFixed(1)}°`;
  if (unit === "rad/s") return `${((value * 180) / Math.PI).toFixed(0)}°/s`;
  return unit === "m" ? `${(value * 1000).toFixed(1)} mm` : `${value.toFixed(2)} ${unit}`;
}
