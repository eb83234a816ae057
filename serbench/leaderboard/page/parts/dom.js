// Elements are made, never parsed: a text from a submission stays a text.
const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return node;
}

const el = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), attributes, children);
const byId = (id) => document.getElementById(id);
const say = (text) => { byId("said").textContent = text; };

const DATA = JSON.parse(byId("data").textContent);
const BOARDS = DATA.boards;
for (const board of BOARDS) {
  board.rows = board.rows.map((row, place) => {
    const [rank, upstream, weights, downstream, differs, seeds, digest, notes, values, ends, flags] = row;
    return { rank, upstream, weights, downstream, differs, seeds, digest, notes, values, ends, flags, place };
  });
}

const nameOf = (row) =>
  `${row.upstream}${row.weights === "-" ? "" : ` ${row.weights}`} + ${row.downstream}`;

function flagsOf(names) {
  const marks = names.map((name) => {
    const flag = DATA.flags[name];
    return el("span", { class: `flag ${flag[1]}`, title: flag[2] }, flag[0]);
  });
  return marks.length ? el("span", { class: "flags" }, marks) : null;
}

// Details are packed, some rows together, and unpacked when one of them is opened.
const unpacked = new Map();

async function detailOf(board, row) {
  const name = `${board.id}-${Math.floor(row.place / DATA.chunk)}`;
  if (!unpacked.has(name)) unpacked.set(name, unpack(byId(`chunk-${name}`).textContent));
  return (await unpacked.get(name))[row.place % DATA.chunk];
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

async function copy(node) {
  try {
    await navigator.clipboard.writeText(node.textContent);
    say("Copied.");
    return "copied";
  } catch {
    getSelection().selectAllChildren(node);
    say("Selected; copy it with the keyboard.");
    return "selected";
  }
}
