// As serbench writes numbers: three decimals, no minus before zero.
const number = (value) => {
  if (value == null) return "nan";
  const text = value.toFixed(3);
  return text === "-0.000" ? "0.000" : text;
};
const ends = (interval) => (interval ? `[${number(interval[0])}, ${number(interval[1])}]` : "");
const signed = (value) => (value > 0 ? "+" : "") + number(value).replace("-", "−");
const percent = (share) => `${Math.round(100 * share)}`;
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// About five round numbers from the least to the greatest.
function ticks(low, high) {
  const rough = (high - low) / 4 || 0.1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9 * step; at += step) {
    found.push(Math.round(at * 1e9) / 1e9);
  }
  return found;
}
