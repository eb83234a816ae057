// The address says what is shown: #board, #corpus for its first board, or #digest for the details of
// a row, wherever it is; the browser's way back leads through what was shown.
function remember(place) {
  const now = location.hash.slice(1).split("/").at(-1);
  // a longer address of the same place is no other place, or the way back would end there
  if (now.startsWith(place)) history.replaceState(null, "", `#${place}`);
  else history.pushState(null, "", `#${place}`);
}

function goTo(address) {
  // names and digests have no letter that an address would escape
  const name = address.slice(1).split("/").at(-1); // older addresses had a board before the digest
  const own = (row) => name.length >= 8 && row.digest.startsWith(name);
  const board = BOARDS.find((each) => each.id === name) ?? BOARDS.find((each) => each.rows.some(own))
    ?? BOARDS.find((each) => each.id.startsWith(`${name}-`));
  if (!board) return false;
  if (state.board !== board) showBoard(board);
  const row = board.rows.find(own);
  if (row) openDetail(board, row);
  return true;
}

const THEMES = ["auto", "light", "dark"];

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  byId("theme").setAttribute("aria-label", `Colours: ${name === "auto" ? "as the system" : name}`);
  byId("theme").lastElementChild.textContent = name;
  try { localStorage.setItem("theme", name); } catch { /* a file may have no storage */ }
}

let theme = "auto";
try { theme = localStorage.getItem("theme") ?? "auto"; } catch { /* likewise */ }
setTheme(THEMES.includes(theme) ? theme : "auto");
byId("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  setTheme(theme);
});

for (const link of document.querySelectorAll("[data-board]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    remember(link.dataset.board);
    showBoard(BOARDS.find((board) => board.id === link.dataset.board));
    byId("board").scrollIntoView({ block: "start" });
  });
}
byId("drawer").addEventListener("close", () => {
  const drawer = byId("drawer"), focused = document.activeElement;
  if (drawer.open) return; // the way back may have opened another by now
  remember(state.board.id);
  // the browser gives the focus back to what was clicked; details that were opened by their address,
  // or whose table was drawn anew meanwhile, have nothing of that kind. A row far down is not drawn.
  if (state.opened && (focused === document.body || drawer.contains(focused))) {
    (document.querySelector(`[data-digest="${state.opened.digest}"] .open`) ?? byId("table")).focus();
  }
});
byId("drawer").addEventListener("click", (event) => { if (event.target === byId("drawer")) byId("drawer").close(); });
function follow() {
  if (location.hash === "#tables") return; // the link that skips the masthead
  byId("drawer").close();
  if (!goTo(location.hash)) showBoard(BOARDS[0]);
}
window.addEventListener("hashchange", follow);
follow();
