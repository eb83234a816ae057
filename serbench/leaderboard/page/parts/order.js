// Sorting and finding of rows as data. They are shown a hundred at a time, so what sorts the rows of
// a table that is drawn already, as the small libraries do, would sort the wrong ones.
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

// What is unknown stands last, whichever way; equal rows keep the order of the board.
function ordered(rows, key, descending) {
  const sign = descending ? -1 : 1;
  const keyed = rows.map((row) => [key(row), row]);
  keyed.sort(([a, one], [b, other]) => {
    if (a == null || b == null) return (a == null) - (b == null) || one.place - other.place;
    const order = typeof a === "number" ? a - b : collator.compare(a, b);
    return sign * order || one.place - other.place;
  });
  return keyed.map(([, row]) => row);
}

// Every word that was typed must stand somewhere in a row.
function found(rows, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return rows;
  return rows.filter((row) => {
    row.text ??= [nameOf(row), row.differs, row.digest, ...row.flags.map((flag) => DATA.flags[flag][0])]
      .join(" ").toLowerCase();
    return words.every((word) => row.text.includes(word));
  });
}
