// What slides in from the side: the details of a row, or two rows beside each other.
function openDrawer(above, ...children) {
  const drawer = byId("drawer");
  drawer.replaceChildren(el("div", { class: "inside" },
    el("div", { class: "bar-top" }, el("span", {}, above),
      el("button", { type: "button", id: "close", onclick: () => drawer.close() }, "Close")),
    children));
  if (!drawer.open) drawer.showModal();
  drawer.scrollTop = 0;
  byId("close").focus();
}

function tooOld() {
  if ("DecompressionStream" in window) return false;
  openDrawer("", el("h2", { id: "drawer-title" }, "This browser is too old"),
    el("p", {}, "It cannot unpack the details of a row; one of 2023 or later can."));
  return true;
}

function section(title, ...children) {
  return children.flat(Infinity).some((child) => child) ? [el("h3", {}, title), children] : null;
}

function captioned(node, text) {
  return node ? el("figure", {}, node, el("figcaption", {}, text)) : null;
}

function plainTable(names, rows, label) {
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": label }, el("table", { class: "plain" },
    el("thead", {}, el("tr", {}, names.map((name, i) => el("th", { scope: "col", class: i ? "number" : "" }, name)))),
    el("tbody", {}, rows.map(([first, ...others]) => el("tr", {}, el("th", { scope: "row" }, first),
      others.map((value) => el("td", { class: "number" }, value)))))));
}

function copied(text) {
  const block = el("pre", { tabindex: "0", "aria-label": "to copy" }, text);
  const button = el("button", { type: "button", class: "copy", onclick: async () => { button.textContent = await copy(block); } }, "Copy");
  return [block, el("div", { class: "actions" }, button)];
}
