// What the scripts share: a browser, its complaints, and the conversation with the test that started it.

"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { chromium } = require("playwright-core");

let doing = "beginning";

/** Says what is being done, for whoever has to find out why it was not. */
function doingNow(what) {
  doing = what;
}

/** A script that takes longer has failed. Milliseconds. */
const PATIENCE = 180_000;
const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];

const input = readline.createInterface({ input: process.stdin });
const lines = input[Symbol.asyncIterator]();

/** Has the test do something. Resolves with what it says once it has. */
async function want(what) {
  console.log(what);
  const { value, done } = await lines.next();
  if (done) throw new Error(`nobody did: ${what}`);
  return value;
}

/** Runs a script with a browser. It fails with whatever is thrown, and with anything that a page complained about. */
function run(script) {
  const late = setTimeout(() => stop(new Error(`took longer than ${PATIENCE / 1000} s`)), PATIENCE);
  const stop = (error) => {
    console.error(`${doing}: ${error.stack ?? error}`);
    process.exit(1);
  };
  (async () => {
    const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ARGUMENTS });
    try {
      await script(browser);
    } finally {
      await browser.close();
    }
    clearTimeout(late);
    process.exit(0);
  })().catch(stop);
}

/** Opens a page of its own, and notes what no page may do. */
async function open(browser, origin, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => complaints.push(`a dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(origin)) complaints.push(`a foreign request: ${request.url()}`);
  });
  return { page, complaints, context };
}

function expect(truth, what) {
  if (!truth) throw new Error(`expected ${what}`);
}

/** No finding that keeps somebody from using what is shown. */
async function accessible(page, what) {
  const source = fs.readFileSync(path.join(process.env.NODE_PATH, "axe-core/axe.min.js"), "utf8");
  // As a debugger would: the page's own policy lets nothing in.
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const told = serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`);
  expect(serious.length === 0, `no finding in ${what}, not:\n${told.join("\n")}`);
}

module.exports = { accessible, doingNow, expect, open, run, want };
