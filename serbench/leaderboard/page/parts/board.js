// One board at a time: its tools, and its rows a hundred at a time.
const STEP = 100;
const state = { board: null, query: "", upstream: "", downstream: "", remark: "", sort: null, shown: STEP, picked: [], opened: null };

// Columns have less room if they are many or the window is narrow; on a phone each has a line of its own.
const PHONE = matchMedia("(max-width: 46rem)"), NARROW = matchMedia("(max-width: 62rem)"); // as in style.css
for (const each of [PHONE, NARROW]) each.addEventListener("change", () => refresh());
const tight = (board) => !PHONE.matches && (NARROW.matches || board.columns.length > 5);

const headOf = (column) => `${column.title}${column.dimension ? ` ${column.dimension}` : ""}`;
const keyOf = (sort) => {
  if (sort === "rank") return (row) => row.rank;
  if (sort === "system") return nameOf;
  if (sort === "seeds") return (row) => row.seeds;
  return (row) => row.values[sort][0];
};

// What all rows of a board have in common is said once, above them.
const told = (row) => (row.differs ? row.differs.split(", ") : []);

function common(board) {
  const [first, ...others] = board.rows;
  board.common ??= others.length
    ? told(first).filter((each) => others.every((row) => told(row).includes(each))) : [];
  return board.common;
}

function showBoard(board) {
  Object.assign(state, { board, query: "", upstream: "", downstream: "", remark: "", sort: null, shown: STEP, picked: [] });
  for (const link of document.querySelectorAll("[data-board]")) {
    if (link.dataset.board === board.id) {
      link.setAttribute("aria-current", "true");
      // on a small screen the boards stand in a row; scrollIntoView would scroll the page, too
      const card = link.parentElement, row = card.parentElement;
      row.scrollLeft = card.offsetLeft - (row.clientWidth - card.offsetWidth) / 2;
    } else link.removeAttribute("aria-current");
  }
  const ranking = board.columns[0];
  const over = board.speakers > 1 ? ` Whiskers: 95 % intervals over ${board.speakers} speakers.` : "";
  byId("board").replaceChildren(
    el("div", { class: "head" }, el("h2", { id: "board-title" }, board.corpus), flagsOf(board.flags)),
    el("p", { class: "sub" }, `${board.task} · ${board.split}. Ranked by ${headOf(ranking)}.${over}`),
    ...(common(board).length ? [el("p", { class: "sub" }, "All rows: ", el("span", { class: "setting" }, common(board).join(", ")))] : []),
    tools(board),
    el("p", { class: "count-line", id: "count", role: "status" }),
    el("div", { class: "scroll", role: "region", "aria-labelledby": "board-title", tabindex: "0", id: "table" }),
    el("p", { class: "more", id: "more" }),
    about(board),
    ...board.reported.map(reportedTable),
  );
  refresh();
  tray();
}

function choices(name, label, values) {
  const options = values.map(([value, text]) => el("option", { value }, text));
  return el("label", {}, label, el("select", { id: name, onchange: (event) => change({ [name]: event.target.value }) }, options));
}

function different(rows, field) {
  return [...new Set(rows.map((row) => row[field]))].sort(collator.compare);
}

function tools(board) {
  const of = (field) => [["", "all"], ...different(board.rows, field).map((value) => [value, value])];
  const flags = [...new Set(board.rows.flatMap((row) => row.flags))];
  const remarks = [["", "all rows"], ["none", "rows without warnings"],
    ...flags.map((flag) => [flag, `only: ${DATA.flags[flag][0]}`])];
  const sorts = [...board.columns.map((column, i) => [`${i}:d`, `${headOf(column)}, best first`]),
    ["rank:", "rank"], ["system:", "system"]];
  return el("div", { class: "tools" },
    el("label", { class: "search" }, "Search", el("input", { type: "search", id: "query", placeholder: "encoder, head, setting, digest …",
      oninput: (event) => change({ query: event.target.value }) })),
    choices("upstream", "Encoder", of("upstream")),
    choices("downstream", "Head", of("downstream")),
    flags.length ? choices("remark", "Remarks", remarks) : null,
    el("label", { class: "sortby" }, "Sort by", el("select", { id: "sortby", onchange: (event) => {
      const [key, way] = event.target.value.split(":");
      change({ sort: { key: Number.isNaN(Number(key)) ? key : Number(key), descending: way === "d" } });
    } }, sorts.map(([value, text]) => el("option", { value }, text)))),
    el("button", { type: "button", id: "csv", onclick: () => download(`${board.id}.csv`, "text/csv", csv(board, visible())) }, "Download CSV"),
  );
}

function change(changes) {
  Object.assign(state, { shown: STEP }, changes);
  refresh();
}

function visible() {
  const { board, query, upstream, downstream, remark, sort } = state;
  let rows = board.rows.filter((row) =>
    (!upstream || row.upstream === upstream) && (!downstream || row.downstream === downstream) &&
    (!remark || (remark === "none" ? row.flags.every((flag) => DATA.flags[flag][1] !== "warn") : row.flags.includes(remark))));
  rows = found(rows, query);
  return sort ? ordered(rows, keyOf(sort.key), sort.descending) : rows;
}

function refresh() {
  const { board, shown } = state, rows = visible();
  const range = board.range ??= rangeOf(board.rows);
  const best = board.rows[0].values[0][0];
  const drawn = rows.slice(0, shown);
  byId("count").textContent = rows.length === board.rows.length ? plural(rows.length, "row") : `${rows.length} of ${plural(board.rows.length, "row")}`;
  byId("table").replaceChildren(rows.length
    ? el("table", { class: tight(board) ? "ranks many" : "ranks", role: "table", "aria-labelledby": "board-title" }, heading(board, range),
      el("tbody", { role: "rowgroup" }, drawn.map((row, i) => line(board, row, drawn[i - 1], range, best))))
    : el("p", { class: "none" }, "No row is like this. Take a word or a filter away."));
  byId("more").replaceChildren(...(rows.length > shown ? [
    el("button", { type: "button", onclick: () => { state.shown += STEP; refresh(); } },
      `Show ${Math.min(STEP, rows.length - shown)} more of ${rows.length - shown}`)] : []));
}

function sorter(key, label, descending, attributes = {}) {
  const own = state.sort?.key === key ? state.sort : null;
  // a board comes by what ranks, where rows of one rank need not stand together; rows without come last
  const comes = !state.sort && key === 0 && state.board.rows.every((row) => row.rank != null);
  const current = own ?? (comes ? { descending: true } : null);
  return el("th", { role: "columnheader", scope: "col", ...attributes,
    "aria-sort": current ? (current.descending ? "descending" : "ascending") : null },
    el("button", { type: "button", onclick: () => {
      change({ sort: { key, descending: current ? !current.descending : descending } });
      byId("table").querySelectorAll("thead button")[[...sortKeys(state.board)].indexOf(key)]?.focus();
    } }, label));
}

function* sortKeys(board) {
  yield "rank";
  yield "system";
  yield* board.columns.keys();
  yield "seeds";
}

function heading(board, range) {
  return el("thead", { role: "rowgroup" }, el("tr", { role: "row" },
    el("th", { role: "columnheader", scope: "col", class: "pick" }, el("span", { class: "unseen" }, "compare")),
    sorter("rank", "#", false, { class: "number" }),
    sorter("system", "system", false),
    el("th", { role: "columnheader", scope: "col", class: "plot" }, el("span", { class: "unseen" }, `${headOf(board.columns[0])} with its interval, drawn`), axis(range, drawnWidth(board))),
    board.columns.map((column, i) => sorter(i, headOf(column), true, { class: "number" })),
    sorter("seeds", "seeds", true, { class: "number" })));
}

function line(board, row, before, range, best) {
  const top = row.rank === 1;
  const apart = before && before.rank !== row.rank && (!state.sort || state.sort.key === "rank");
  const picked = state.picked.includes(row);
  const own = told(row).filter((each) => !common(board).includes(each));
  const classes = [top && "top", apart && "apart", picked && "picked"].filter(Boolean).join(" ");
  return el("tr", { role: "row", class: classes || null, "data-digest": row.digest },
    el("td", { role: "cell", class: "pick" }, el("input", { type: "checkbox", checked: picked, "aria-label": `Compare ${nameOf(row)}, ${row.digest.slice(0, 8)}`,
      onchange: (event) => pick(row, event.target) })),
    el("td", { role: "cell", class: "rank" }, row.rank == null ? el("span", { title: "not ranked" }, "–") : String(row.rank)),
    el("th", { role: "rowheader", scope: "row", class: "system" },
      el("button", { type: "button", class: "open", onclick: () => openDetail(board, row) }, `${row.upstream} + ${row.downstream}`),
      row.weights === "-" ? null : el("span", { class: "weights" }, row.weights),
      flagsOf(row.flags.filter((flag) => !board.flags.includes(flag))),
      own.length ? el("span", { class: "differs" }, own.join(", ")) : null),
    el("td", { role: "cell", class: "plot" }, whisker(row, range, best, top, drawnWidth(board))),
    board.columns.map((column, i) => cell(column, row, i)),
    el("td", { role: "cell", class: "number", "data-label": "seeds" }, String(row.seeds)));
}

function cell(column, row, i) {
  const [mean, std, seeds] = row.values[i];
  const spread = mean == null ? [] : [std == null ? "" : `± ${number(std)}`, seeds == null ? "" : `(${number(seeds)})`].filter(Boolean);
  const lines = tight(state.board) ? spread : [spread.join(" ")].filter(Boolean);
  return el("td", { role: "cell", class: `number${i ? "" : " ranking"}`, "data-label": headOf(column) },
    el("span", { class: "value" }, number(mean)),
    lines.map((text) => el("small", {}, text)),
    i === 0 && row.ends[0] ? el("small", {}, ends(row.ends[0])) : null);
}

function about(board) {
  return el("details", { class: "small", open: board.rows.length < 60 },
    el("summary", {}, "About these numbers"),
    board.caption.map((sentence) => el("p", {}, sentence)),
    board.notes.length ? el("ol", { class: "notes" }, board.notes.slice(0, 60).map((note) => el("li", {}, note))) : null,
    board.notes.length > 60 ? el("p", {}, `And ${board.notes.length - 60} more notes, each in the details of its row.`) : null);
}

function reportedTable(report) {
  return el("section", { class: "reported", "aria-label": `Reported: ${report.source}, ${report.name}` },
    el("h3", {}, `Reported, not computed here: ${report.source}, ${report.name}`),
    el("p", { class: "small" }, report.about),
    el("div", { class: "wide", role: "region", tabindex: "0", "aria-label": `${report.source}, ${report.name}` }, el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "system"), report.metrics.map((metric) => el("th", { scope: "col", class: "number" }, metric)))),
      el("tbody", {}, report.rows.map(([system, ...values]) => el("tr", {}, el("th", { scope: "row" }, system),
        values.map((value) => el("td", { class: "number" }, value))))))),
    el("p", { class: "small" }, report.citation));
}

// A text that a spreadsheet would compute is quoted, as in `serbench leaderboard --format csv`.
function csv(board, rows) {
  const safe = (value) => {
    if (value == null) return "";
    const text = typeof value === "string" && /^([=+@\t\r\uff1d\uff0b\uff20]|[-\uff0d].)/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const parts = ["", `:std`, ":std_over_seeds", ":low", ":high"];
  const names = ["board", "rank", "upstream", "weights", "downstream", "differs", "seeds", "digest", "remarks",
    ...board.columns.flatMap((column) => parts.map((part) => column.key + part))];
  const lines = rows.map((row) => [board.title, row.rank, row.upstream, row.weights, row.downstream, row.differs, row.seeds, row.digest,
    row.flags.join(" "), ...board.columns.flatMap((_, i) => [...row.values[i], row.ends[i]?.[0], row.ends[i]?.[1]])]);
  return [names, ...lines].map((cells) => cells.map(safe).join(",")).join("\n") + "\n";
}

function pick(row, box) {
  state.picked = box.checked ? [...state.picked, row].slice(-2) : state.picked.filter((each) => each !== row);
  for (const line of document.querySelectorAll("[data-digest]")) {
    const own = state.picked.some((each) => each.digest === line.dataset.digest);
    line.classList.toggle("picked", own);
    line.querySelector(".pick input").checked = own;
  }
  tray();
}

// Whose weights they are is left out where there is no room: the rows themselves are marked.
const named = (row) => el("strong", {}, row.upstream,
  row.weights === "-" ? null : el("span", { class: "roomy" }, ` ${row.weights}`), ` + ${row.downstream}`);

function tray() {
  const [a, b] = state.picked, node = byId("tray");
  node.hidden = !a;
  if (!a) return;
  node.replaceChildren(el("div", { class: "wrap" },
    el("p", {}, el("span", {}, named(a), b ? "" : ":"), " ",
      b ? el("span", {}, "or ", named(b), "?") : "mark another row to compare it with."),
    el("button", { type: "button", class: "first", disabled: !b, id: "compare", onclick: () => openComparison(state.board, a, b) }, "Compare"),
    el("button", { type: "button", onclick: () => { state.picked = []; refresh(); tray(); } }, "Clear")));
}
