// The README's pictures: the page, light and dark, and `observer top`, of a replay.
//
// Arguments: the page's address, the folder for the pictures, and the words of `observer top`.

"use strict";

const { execFileSync } = require("node:child_process");
const path = require("node:path");
const { open, run } = require("./driver.cjs");

const [origin, folder, ...top] = process.argv.slice(2);
const [COLUMNS, ROWS] = [100, 30];
/** A server of tmux of its own. */
const SERVER = ["-L", `observer-pictures-${process.pid}`, "-f", "/dev/null"];
/** Colours of a terminal by their number (ECMA-48, SGR 30 to 37 and 90 to 97). */
const COLOURS = [
  "#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4",
  "#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff",
];

run(async (browser) => {
  for (const colorScheme of ["light", "dark"]) {
    const { page, context } = await open(browser, origin, { colorScheme, viewport: { width: 1180, height: 920 }, deviceScaleFactor: 1.25 });
    await page.goto(`${origin}/#/overview?window=24h`);
    await page.waitForSelector("#stream[data-state=live]");
    await page.waitForSelector("main tbody tr");
    await page.waitForSelector("main canvas");
    await page.screenshot({ path: path.join(folder, `page-${colorScheme}.png`) });
    await context.close();
  }
  const { page } = await open(browser, "about:", { viewport: { width: 100, height: 100 }, deviceScaleFactor: 1.25 });
  await page.setContent(terminal(await screen()));
  await page.locator("pre").screenshot({ path: path.join(folder, "top.png") });
});

/** What `observer top` draws, with its colours. */
async function screen() {
  const tmux = (...words) => execFileSync("tmux", [...SERVER, ...words], { encoding: "utf8" });
  tmux("new-session", "-d", "-x", String(COLUMNS), "-y", String(ROWS), ...top);
  try {
    for (const end = Date.now() + 20_000; Date.now() < end;) {
      if (/^> \S+ +[0-9]/m.test(tmux("capture-pane", "-p"))) return tmux("capture-pane", "-e", "-p");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`no consumer on the screen: ${tmux("capture-pane", "-p")}`);
  } finally {
    tmux("kill-server");
  }
}

/** A screen as a page. */
function terminal(text) {
  const escaped = text.trimEnd().replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  let style = {};
  // Select Graphic Rendition (ECMA-48 section 8.3.117), and nothing else is left by tmux.
  const spans = escaped.split("\x1b[").map((part, number) => {
    if (number === 0) return part;
    const [, codes, rest] = /^([0-9;]*)m([^]*)$/.exec(part) ?? [null, "", part];
    style = render(style, codes.split(";").map(Number));
    return `<span style="${css(style)}">${rest}</span>`;
  });
  return `<body style="margin:0;background:#0d1117"><pre style="display:inline-block;margin:0;padding:16px 20px;color:#e6edf3;background:#0d1117;
font:14px/1.25 'DejaVu Sans Mono',monospace">${spans.join("")}</pre>`;
}

function render(style, codes) {
  let next = { ...style };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at];
    if (code === 0) next = {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 4) next.line = true;
    else if (code === 7) next.reverse = true;
    else if (code === 22) next.bold = next.dim = false;
    else if (code === 24) next.line = false;
    else if (code === 27) next.reverse = false;
    else if (code >= 30 && code < 38) next.colour = COLOURS[code - 30];
    else if (code >= 90 && code < 98) next.colour = COLOURS[code - 82];
    else if (code === 39) next.colour = undefined;
    else if (code >= 40 && code < 48) next.back = COLOURS[code - 40];
    else if (code === 49) next.back = undefined;
    else if ([38, 48].includes(code) && codes[at + 1] === 5) {
      next[code === 38 ? "colour" : "back"] = COLOURS[codes[at + 2]];
      at += 2;
    }
  }
  return next;
}

function css({ bold, dim, line, reverse, colour = "#e6edf3", back = "#0d1117" }) {
  const [front, behind] = reverse ? [back, colour] : [colour, back];
  return `color:${front};background:${behind};${bold ? "font-weight:bold;" : ""}${dim ? "opacity:.6;" : ""}${line ? "text-decoration:underline;" : ""}`;
}
