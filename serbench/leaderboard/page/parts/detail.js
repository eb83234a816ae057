async function openDetail(board, row) {
  remember(row.digest.slice(0, 12));
  state.opened = row;
  if (tooOld()) return;
  const found = await detailOf(board, row);
  const known = [...row.notes.map((note) => board.notes[note - 1]), ...found.about];
  const place = row.rank == null ? "Not ranked" : `Rank ${row.rank}`;
  openDrawer(`${place} · ${board.corpus} · ${board.task}`,
    el("h2", { id: "drawer-title" }, `${row.upstream} + ${row.downstream}`),
    row.weights === "-" ? null : el("p", { class: "sub" }, row.weights),
    row.differs ? el("p", { class: "differs" }, row.differs) : null,
    flagsOf([...new Set([...board.flags, ...row.flags])]),
    el("dl", { class: "tiles" }, board.columns.map((column, i) => tile(column, row, i))),
    section("What to know", known.length ? el("ul", { class: "small" }, known.map((text) => el("li", {}, text))) : null),
    section("Folds", foldsOf(board, found)),
    section("Speakers", speakersOf(found)),
    pictureOf(board, found),
    section("Layers", layersOf(found)),
    section("Learning curve", curvesOf(found)),
    section("Repeat it", recipeOf(found)),
    section("Origin", originOf(found)),
    section("Data", el("div", { class: "actions" }, el("button", { type: "button", id: "json", onclick: () =>
      download(`${row.digest.slice(0, 8)}.json`, "application/json", JSON.stringify({ board: board.title, row, ...found }, null, 1)) }, "Download JSON"))),
  );
}

function tile(column, row, i) {
  const [mean, std, seeds] = row.values[i];
  const more = [std == null ? "" : `± ${number(std)} over ${column.over}`, seeds == null ? "" : `± ${number(seeds)} over seeds`, ends(row.ends[i])];
  return el("div", {}, el("dt", {}, headOf(column)), el("dd", {}, number(mean), more.filter(Boolean).map((text) => el("small", {}, text))));
}

function figureName(board, key) {
  const column = board.columns.find((each) => each.key === key);
  return column ? headOf(column) : key;
}

function foldsOf(board, found) {
  const rows = found.folds.map(([name, clips, values]) => [name, String(clips), ...values.map(number)]);
  return plainTable(["fold", "clips", ...found.figures.map((key) => figureName(board, key))], rows, "Folds");
}

function speakersOf(found) {
  const people = ordered(found.speakers.map((each, place) => ({ each, place })), ({ each }) => each[2], false).map(({ each }) => each);
  const known = people.filter((each) => each[2] != null);
  if (!known.length) return null;
  const [worst, best] = [known[0], known[known.length - 1]];
  const sentence = `${plural(people.length, "speaker")}: ${found.main} from ${number(worst[2])} (${worst[0]}) to ${number(best[2])} (${best[0]}).`;
  return [
    captioned(dots(sentence, known.map((each) => each[0]), [known.map((each) => each[2])], ["a"]), sentence),
    el("details", {}, el("summary", {}, "As a table"),
      plainTable(["speaker", "clips", found.main], people.map(([name, clips, value]) => [name, String(clips), number(value)]), "Speakers")),
  ];
}

function pictureOf(board, found) {
  const { confusion, points } = found.picture;
  if (confusion) return section("Confusions", matrixOf(board.classes, confusion));
  return section("Truth and prediction", el("div", { class: "panels" }, Object.entries(points).map(([name, pair]) =>
    captioned(cloud(`${name}: truth across, prediction upwards`, pair, board.ends), `${name}: truth →, prediction ↑, ${pair[0].length} clips`))));
}

function matrixOf(classes, counts) {
  const foreign = counts.some((row) => row[classes.length]);
  const names = [...classes, ...(foreign ? ["none"] : [])];
  const rows = counts.map((row, i) => {
    const whole = row.reduce((a, b) => a + b, 0);
    const cells = names.map((name, j) => {
      const share = whole ? row[j] / whole : 0;
      const node = el("td", { class: [i === j && "own", share > 0.6 && "strong"].filter(Boolean).join(" ") || null, title: `${classes[i]} as ${name}: ${row[j]}` }, whole ? percent(share) : "–");
      node.style.backgroundColor = share > 0.6 ? "var(--accent)" : `rgba(var(--shade), ${(share * 0.62).toFixed(3)})`;
      return node;
    });
    return el("tr", {}, el("th", { scope: "row" }, classes[i]), cells);
  });
  return [
    el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Confusions" }, el("table", { class: "confusion" },
      el("thead", {}, el("tr", {}, el("td", {}, ""), names.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, rows))),
    el("p", { class: "small" }, "Rows: what was said, in per cent of its clips; columns: what was predicted; all folds and seeds together."),
  ];
}

function layersOf(found) {
  if (!found.layers.length) return null;
  return [
    el("div", { class: "panels" }, found.layers.map((layers, i) =>
      captioned(bars(`weight of each of ${layers.length} layers`, layers), `${found.layers.length > 1 ? `Encoder ${i + 1}: w` : "W"}eight of each layer, in the order of the encoder; lines: least to most over trainings.`))),
  ];
}

function curvesOf(found) {
  if (!found.curves.length) return null;
  const some = found.curves.length < found.trainings ? `${found.curves.length} of ${found.trainings}` : String(found.trainings);
  return el("div", { class: "panels" },
    captioned(courses("validation score by epoch", found.curves, 6, "valid"), `Validation score by epoch, ${some} trainings; a ring is the epoch that was chosen.`),
    captioned(courses("training loss by epoch", found.curves, 5, "loss"), "Training loss by epoch."));
}

function recipeOf(found) {
  if (found.recipe.none) return el("p", {}, found.recipe.none);
  return [
    el("p", { class: "small" }, "Save it as ", el("code", {}, "recipe.toml"), ", then ", el("code", {}, "serbench run --recipe recipe.toml"),
      "; with the record at hand, ", el("code", {}, `serbench rerun ${found.digest.slice(0, 8)}`), "."),
    copied(found.recipe.toml),
  ];
}

function originOf(found) {
  const pairs = found.encoders.flatMap((encoder, i) => Object.entries(encoder).map(([key, value]) =>
    [found.encoders.length > 1 ? `encoder ${i + 1}, ${key.replaceAll("_", " ")}` : key.replaceAll("_", " "), value]));
  pairs.push(...found.facts.filter(([, value]) => value !== "-").map(([title, value]) => [title, /^\d+$/.test(value) ? Number(value).toLocaleString("en") : value]));
  pairs.push(["computed", `${found.created.slice(0, 16).replace("T", " ")} UTC${found.device ? `, ${found.device}` : ""}`]);
  pairs.push(["seconds", Object.entries(found.seconds).map(([step, value]) => `${step} ${value}`).join(", ")]);
  pairs.push(["versions", Object.entries(found.versions).map(([name, value]) => `${name} ${value}`).join(", ")]);
  pairs.push(["result", found.digest]);
  return el("dl", { class: "origin" }, pairs.filter(([, value]) => value).map(([key, value]) => [el("dt", {}, key), el("dd", {}, value)]));
}
