// The jackknife of the difference, as `serbench.scoring.comparisons.by_speakers` has it.
function difference(one, other) {
  const theirs = new Map(other.speakers.map((name, i) => [name, other.parts[i]]));
  if (theirs.size !== one.speakers.length || !one.speakers.every((name) => theirs.has(name))) return null;
  const apart = one.speakers.map((name, i) => [one.parts[i] - theirs.get(name), one.weights[i]]);
  const counting = apart.filter(([, weight]) => weight > 0), count = counting.length;
  if (apart.every(([part]) => Math.abs(part) < 2e-9)) return { value: 0, low: 0, high: 0, speakers: count };
  if (count < 2) return null;
  const sum = counting.reduce((total, [part]) => total + part, 0);
  const square = counting.reduce((total, [part, weight]) => total + (part - weight * sum) ** 2, 0);
  const reach = one.reach * Math.sqrt((count / (count - 1)) * square), value = one.value - other.value;
  return { value, low: value - reach, high: value + reach, speakers: count };
}

function verdict(found, name) {
  if (!found) return "Nothing can be said: the two have no intervals over the same speakers.";
  const { value, low, high, speakers } = found;
  if (low === 0 && high === 0) return "A and B predict the same.";
  const amount = `${name} ${number(Math.abs(value))}`;
  if (low > 0 || high < 0) {
    const [least, most] = [Math.abs(low), Math.abs(high)].sort((a, b) => a - b);
    const [better, worse] = value >= 0 ? ["A", "B"] : ["B", "A"];
    return `${better} is better than ${worse}: by ${amount} (95 % interval ${number(least)} to ${number(most)}, ${speakers} speakers).`;
  }
  return `A and B cannot be told apart: they differ by ${amount}, and with these ${speakers} speakers only more than about ${number((high - low) / 2)} would show.`;
}

async function openComparison(board, a, b) {
  if (tooOld()) return;
  const [one, other] = await Promise.all([detailOf(board, a), detailOf(board, b)]);
  const found = one.shares && other.shares ? difference(one.shares, other.shares) : null;
  const name = headOf(board.columns[0]);
  const figures = board.columns.map((column, i) => {
    const [x, y] = [a.values[i][0], b.values[i][0]];
    return [headOf(column), number(x), number(y), x == null || y == null ? "nan" : signed(x - y)];
  });
  openDrawer(`${board.corpus} · ${board.task}`,
    el("h2", { id: "drawer-title" }, "Two systems"),
    el("div", { class: "pair" }, side("A", a), side("B", b)),
    el("p", { class: "verdict" }, verdict(found, name)),
    captioned(found ? reachOf(found, name) : null, `${name} of A less B, with its 95 % interval over speakers (jackknife of the difference). The test is of these two alone: whoever picks the best of many pairs finds more than there is.`),
    section("Figures", plainTable(["", "A", "B", "A − B"], figures, "Figures")),
    section("Speaker by speaker", bySpeaker(one, other)),
    section("Fold by fold", byFold(board, one, other)),
    section("Settings that differ", settings(one.settings, other.settings)),
    section("More of it", el("p", { class: "small" }, "p values, the corrected test over folds, and parts of the utterances: "),
      copied(`serbench compare ${a.digest.slice(0, 8)} ${b.digest.slice(0, 8)} --by speaker`)));
}

function side(letter, row) {
  return el("div", {}, el("span", {}, letter), el("b", {}, `${row.upstream} + ${row.downstream}`),
    el("span", { class: "weights" }, [row.weights === "-" ? "" : row.weights, row.differs, row.digest.slice(0, 8)].filter(Boolean).join(" · ")),
    flagsOf(row.flags));
}

function reachOf(found, name) {
  const ends = [found.low, found.high, 0], room = 0.08 * (Math.max(...ends) - Math.min(...ends) || 0.1);
  const range = [Math.min(...ends) - room, Math.max(...ends) + room];
  const width = widest(), at = scale(...range, 12, width - 12), letter = found.value >= 0 ? "a" : "b";
  return figure(width, 64, `${name} of A less B: ${signed(found.value)}, from ${signed(found.low)} to ${signed(found.high)}`,
    grid(at, ticks(...range), 6, 46, 60),
    draw("line", { class: "axis", x1: at(0), x2: at(0), y1: 2, y2: 46 }),
    draw("path", { class: `whisker ${letter}`, d: `M${at(found.low)} 26H${at(found.high)}M${at(found.low)} 18v16M${at(found.high)} 18v16` }),
    draw("circle", { class: letter, cx: at(found.value), cy: 26, r: 6 }));
}

function bySpeaker(one, other) {
  const theirs = new Map(other.speakers.map(([name, , value]) => [name, value]));
  const people = one.speakers.filter(([name, , value]) => value != null && theirs.get(name) != null)
    .sort((a, b) => (a[2] - theirs.get(a[0])) - (b[2] - theirs.get(b[0])));
  if (!people.length) return null;
  const better = people.filter(([name, , value]) => value > theirs.get(name)).length;
  const sentence = `${one.main} of each speaker, A filled in the first colour, B in the second; A is higher for ${better} of ${people.length}.`;
  return captioned(dots(sentence, people.map(([name]) => name), [people.map((each) => each[2]), people.map(([name]) => theirs.get(name))], ["a", "b"]), sentence);
}

function byFold(board, one, other) {
  const theirs = new Map(other.folds.map(([name, , values]) => [name, values[0]]));
  const rows = one.folds.filter(([name]) => theirs.has(name)).map(([name, clips, [value]]) =>
    [name, String(clips), number(value), number(theirs.get(name)), value == null || theirs.get(name) == null ? "nan" : signed(value - theirs.get(name))]);
  return plainTable(["fold", "clips", "A", "B", "A − B"], rows, "Folds");
}

const BESIDE = new Set(["defaults", "recommends", "contents", "versions"]);

function* leaves(value, path = "") {
  if (value !== null && typeof value === "object" && !(Array.isArray(value) && value.every((each) => each === null || typeof each !== "object"))) {
    for (const [key, inner] of Object.entries(value)) if (!BESIDE.has(key)) yield* leaves(inner, path ? `${path}.${key}` : key);
  } else yield [path, typeof value === "string" ? value : JSON.stringify(value)];
}

function settings(one, other) {
  const [mine, theirs] = [new Map(leaves(one)), new Map(leaves(other))];
  const keys = [...new Set([...mine.keys(), ...theirs.keys()])].filter((key) => mine.get(key) !== theirs.get(key));
  if (!keys.length) return el("p", {}, "None.");
  const broken = (key) => key.split(/(?<=\.)/).map((part) => [part, el("wbr")]); // at its dots, where it must
  return plainTable(["setting", "A", "B"], keys.map((key) => [broken(key), mine.get(key) ?? "–", theirs.get(key) ?? "–"]), "Settings that differ");
}
