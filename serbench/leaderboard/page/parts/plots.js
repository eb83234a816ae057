// Drawings. Each has a title for those who do not see it; the numbers stand beside it as text.
const scale = (low, high, from, to) => (value) =>
  from + ((value - low) / (high - low || 1)) * (to - from);

function rangeOf(rows) {
  const low = [], high = [];
  for (const row of rows) {
    const interval = row.ends[0], mean = row.values[0][0];
    if (mean == null) continue;
    low.push(interval?.[0] ?? mean);
    high.push(interval?.[1] ?? mean);
  }
  if (!low.length) return [0, 1];
  const least = low.reduce((a, b) => Math.min(a, b)), most = high.reduce((a, b) => Math.max(a, b));
  const room = 0.05 * (most - least || 0.1);
  return [least - room, most + room];
}

// How wide the column of the whiskers is drawn.
const drawnWidth = (board) => (tight(board) ? 150 : 340);

function whisker(row, range, best, top, width) {
  const mean = row.values[0][0];
  const node = draw("svg", { viewBox: `0 0 ${width} 26`, "aria-hidden": "true", class: top ? "top" : "", preserveAspectRatio: "xMidYMid meet" });
  if (mean == null) return node;
  const at = scale(...range, 4, width - 4);
  node.append(...ticks(...range).map((tick) => draw("line", { class: "grid", x1: at(tick), x2: at(tick), y1: 0, y2: 26 })));
  if (best != null) node.append(draw("line", { class: "guide", x1: at(best), x2: at(best), y1: 0, y2: 26 }));
  const interval = row.ends[0];
  if (interval && interval[0] != null) {
    const [a, b] = [at(interval[0]), at(interval[1])];
    node.append(draw("path", { class: "whisker", d: `M${a} 13H${b}M${a} 9v8M${b} 9v8` }));
  }
  node.append(draw("circle", { class: "dot", cx: at(mean), cy: 13, r: 4.5 }));
  return node;
}

function axis(range, width) {
  const at = scale(...range, 4, width - 4);
  const marks = ticks(...range).map((tick) => [
    draw("line", { class: "axis", x1: at(tick), x2: at(tick), y1: 18, y2: 23 }),
    draw("text", { x: at(tick), y: 14, "text-anchor": "middle" }, String(tick)),
  ]);
  return draw("svg", { viewBox: `0 0 ${width} 26`, "aria-hidden": "true" }, marks,
    draw("line", { class: "axis", x1: 4, x2: width - 4, y1: 23, y2: 23 }));
}

function figure(width, height, title, ...children) {
  return draw("svg", { viewBox: `0 0 ${width} ${height}`, class: "figure", role: "img", "aria-label": title }, children);
}

// A drawing as wide as the drawer, so that its letters keep their size on a phone.
const widest = () => Math.max(280, Math.min(760, innerWidth - 44));

function grid(at, marks, from, to, y) {
  return marks.map((mark) => [
    draw("line", { class: "grid", x1: at(mark), x2: at(mark), y1: from, y2: to }),
    draw("text", { x: at(mark), y, "text-anchor": "middle" }, String(mark)),
  ]);
}

// One line a name, one dot a system: speakers or folds, the worst first.
function dots(title, names, series, classes) {
  const known = series.flat().filter((value) => value != null);
  if (!known.length) return null;
  const step = names.length > 30 ? 11 : 19;
  const shown = names.map((name) => (name.length > 16 ? `${name.slice(0, 15)}…` : name));
  const left = 22 + 6.4 * Math.max(...shown.map((name) => name.length));
  const width = widest(), height = 26 + step * names.length + 24;
  const room = 0.03;
  const range = [Math.min(...known) - room, Math.max(...known) + room];
  const at = scale(...range, left, width - 12);
  const lines = names.map((name, i) => {
    const y = 20 + step * i, values = series.map((own) => own[i]);
    const there = values.filter((value) => value != null);
    return [
      step > 12 || i % 2 === 0 ? draw("text", { x: left - 10, y: y + 4, "text-anchor": "end" }, shown[i]) : null,
      there.length > 1 ? draw("line", { class: "join", x1: at(Math.min(...there)), x2: at(Math.max(...there)), y1: y, y2: y }) : null,
      values.map((value, which) => value == null ? null : draw("circle", { class: classes[which], cx: at(value), cy: y, r: step > 12 ? 4.2 : 3.2 },
        draw("title", {}, `${name}: ${number(value)}`))),
    ];
  });
  return figure(width, height, title, grid(at, ticks(...range), 10, height - 20, height - 5), lines);
}

function courses(title, curves, which, kind) {
  const all = curves.flatMap((curve) => curve[which]).filter((value) => value != null);
  const last = Math.max(...curves.map((curve) => curve[4][curve[4].length - 1]));
  if (!all.length) return null;
  const range = [Math.min(...all), Math.max(...all)];
  const x = scale(1, Math.max(last, 2), 40, 350), y = scale(...range, 170, 12);
  const marks = ticks(...range).map((mark) => [
    draw("line", { class: "grid", x1: 40, x2: 350, y1: y(mark), y2: y(mark) }),
    draw("text", { x: 34, y: y(mark) + 4, "text-anchor": "end" }, String(mark)),
  ]);
  const lines = curves.map((curve) => {
    const points = curve[4].map((epoch, i) => [epoch, curve[which][i]]).filter((point) => point[1] != null);
    const path = points.map(([epoch, value], i) => `${i ? "L" : "M"}${x(epoch).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    const chosen = points.find(([epoch]) => epoch === curve[3]);
    return [
      draw("path", { class: `line ${kind}`, d: path }, draw("title", {}, `${curve[0]}, seed ${curve[1]}`)),
      chosen && kind !== "loss" ? draw("circle", { class: "chosen", cx: x(chosen[0]), cy: y(chosen[1]), r: 3 }) : null,
    ];
  });
  const below = ticks(1, Math.max(last, 2)).filter(Number.isInteger).map((mark) =>
    draw("text", { x: x(mark), y: 188, "text-anchor": "middle" }, String(mark)));
  return figure(360, 194, title, marks, lines, below);
}

function bars(title, layers) {
  const most = Math.max(...layers.map((layer) => layer[2]));
  const x = scale(0, layers.length, 40, 350), y = scale(0, most, 170, 12);
  const width = Math.min(34, (310 / layers.length) * 0.7);
  const every = Math.ceil(layers.length / 13);
  const columns = layers.map(([mean, low, high], i) => [
    draw("rect", { class: "bar", x: x(i + 0.5) - width / 2, y: y(mean), width, height: 170 - y(mean), rx: 2 },
      draw("title", {}, `layer ${i}: ${number(mean)}`)),
    draw("line", { class: "axis", x1: x(i + 0.5), x2: x(i + 0.5), y1: y(low), y2: y(high) }),
    i % every ? null : draw("text", { x: x(i + 0.5), y: 188, "text-anchor": "middle" }, String(i)),
  ]);
  const marks = ticks(0, most).map((mark) => [
    draw("line", { class: "grid", x1: 40, x2: 350, y1: y(mark), y2: y(mark) }),
    draw("text", { x: 34, y: y(mark) + 4, "text-anchor": "end" }, String(mark)),
  ]);
  return figure(360, 194, title, marks, columns);
}

function cloud(title, [truths, given], limits) {
  const all = [...truths, ...given].filter((value) => value != null);
  if (!all.length) return null;
  const range = limits ?? [Math.min(...all), Math.max(...all)];
  const low = Math.min(range[0], ...all), high = Math.max(range[1], ...all);
  const x = scale(low, high, 34, 250), y = scale(low, high, 226, 10);
  const marks = ticks(low, high).map((mark) => [
    draw("line", { class: "grid", x1: x(mark), x2: x(mark), y1: 10, y2: 226 }),
    draw("line", { class: "grid", x1: 34, x2: 250, y1: y(mark), y2: y(mark) }),
    draw("text", { x: x(mark), y: 242, "text-anchor": "middle" }, String(mark)),
    draw("text", { x: 28, y: y(mark) + 4, "text-anchor": "end" }, String(mark)),
  ]);
  const points = truths.map((truth, i) => truth == null || given[i] == null ? null
    : draw("circle", { class: "point", cx: x(truth), cy: y(given[i]), r: 3 }));
  return figure(260, 250, title, marks,
    draw("line", { class: "diagonal", x1: x(low), y1: y(low), x2: x(high), y2: y(high) }), points);
}
