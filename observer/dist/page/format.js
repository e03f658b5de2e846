// Numbers and times as people read them: commas between thousands, a unit behind every number.
//
// What is not known is an en dash that says why. It is never a zero.

const NARROW = "\u202f";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const fixed = [0, 1, 2, 3].map(
  (digits) => new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }),
);
const two = (number) => String(number).padStart(2, "0");

/** What stands for a number that is not known. */
export function unknown(why) {
  return { text: "–", title: why, class: "unknown" };
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A count. */
export function count(value) {
  return isNumber(value) ? whole.format(value) : "–";
}

/** A count of things: "1 route", "2 routes". */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

function digits(value) {
  const size = Math.abs(value);
  if (size === 0 || size >= 100) return 0;
  return size >= 10 ? 1 : 2;
}

/** A number with about three digits. */
export function brief(value) {
  if (!isNumber(value)) return "–";
  if (value !== 0 && Math.abs(value) < 0.01) return value.toPrecision(2);
  return fixed[digits(value)].format(value);
}

/** A count, or a number that is none. */
export function figure(value) {
  return Number.isInteger(value) ? count(value) : brief(value);
}

/** A number for an axis: 12k, 3.4M. */
export function short(value) {
  for (const [size, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ]) {
    if (Math.abs(value) >= size) return `${+(value / size).toFixed(2)}${unit}`;
  }
  return String(+value.toFixed(3));
}

/** Requests a second. */
export function rate(value) {
  if (!isNumber(value)) return unknown("Not known: counting has only begun, or series were just folded together.");
  if (value > 0 && value < 0.01) return "<0.01/s";
  return `${fixed[digits(value)].format(value)}/s`;
}

/** A share of 1 with one digit. Something is never shown as nothing. */
export function percent(value) {
  if (!isNumber(value)) return "–";
  if (value > 0 && value < 0.0005) return `<0.1${NARROW}%`;
  return `${fixed[1].format(value * 100)}${NARROW}%`;
}

/** A share of 1 with two digits, rounded down: what is not complete is never shown as such. */
export function completeness(value) {
  if (!isNumber(value)) return "–";
  return `${fixed[2].format(Math.floor(value * 10000 + 1e-7) / 100)}${NARROW}%`;
}

/** Bytes in units of 1,024. */
export function bytes(value) {
  if (!isNumber(value)) return "–";
  let [size, unit] = [value, "B"];
  for (const next of ["KiB", "MiB", "GiB", "TiB", "PiB"]) {
    if (size < 1024) break;
    [size, unit] = [size / 1024, next];
  }
  return `${unit === "B" ? whole.format(size) : fixed[digits(size)].format(size)}${NARROW}${unit}`;
}

/** A time in milliseconds. */
export function milliseconds(value) {
  if (!isNumber(value)) return "–";
  return value >= 1000 ? `${brief(value / 1000)}${NARROW}s` : `${brief(value)}${NARROW}ms`;
}

/** A time in seconds: 90 s, 15 min, 24 h, 3 d. */
export function duration(seconds) {
  for (const [size, unit] of [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
  ]) {
    if (seconds >= 2 * size || seconds === size) return `${+(seconds / size).toFixed(1)}${NARROW}${unit}`;
  }
  return `${brief(seconds)}${NARROW}s`;
}

/** A moment, from RFC 3339, milliseconds or a date; null where it is none. */
export function moment(value) {
  if (value === null || value === undefined || value === "" || value === 0) return null;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** The time of day here. */
export function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The day here. */
export function day(date) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** A moment as a text of here. */
export function local(date) {
  return day(date) === day(new Date()) ? clock(date) : `${day(date)} ${clock(date).slice(0, 5)}`;
}

/** A moment to draw: local time, UTC in its title. */
export function when(value, why = "never") {
  const date = moment(value);
  if (!date) return unknown(why);
  const utc = date.toISOString();
  return { text: local(date), title: `${utc.slice(0, 19).replace("T", " ")} UTC`, datetime: utc };
}

/** A moment in seconds since 1970, where zero is never. */
export function whenSeconds(value, why) {
  return when(isNumber(value) && value > 0 ? value * 1000 : null, why);
}

/** A moment in nanoseconds since 1970. */
export function whenNanoseconds(value, why) {
  return when(isNumber(value) && value > 0 ? value / 1e6 : null, why);
}
