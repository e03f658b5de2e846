// The page against a live daemon with real traffic: every view, by keyboard, on a phone, for everybody.
//
// Arguments: the page's address. The test makes incidents and traffic when it is asked for them.

"use strict";

const { accessible, doingNow, expect, open, run, want } = require("./driver.cjs");

const [origin] = process.argv.slice(2);
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const SOON = { timeout: 15_000 };

/** Views by their fragment: the heading, and a text that says that there is something to see. */
const VIEWS = [
  ["#/overview", "Overview", "acme"],
  ["#/consumers?sort=requests&order=desc", "Consumers", "__unkeyed__"],
  ["#/routes", "Routes", "/v1/widgets/{id}"],
  ["#/consumer/acme?window=1h", "Consumer acme", "acme-key"],
  ["ROUTE", "Route", "GET"],
  ["#/incidents", "Incidents", "credential_in_url"],
  ["INCIDENT", "", "credential"],
  ["#/posture", "Posture", "/v1/widgets/{id}"],
  ["#/posture?tab=keys", "Posture", "acme-key"],
  ["#/posture?tab=tls", "Posture", ""],
  ["#/health", "Health", "ingress"],
];

run(async (browser) => {
  await everyView(browser, { colorScheme: "light" }, "light");
  await everyView(browser, { colorScheme: "dark" }, "dark");
  await everyView(browser, { ...PHONE, colorScheme: "light" }, "a phone");
  await everyView(browser, { ...PHONE, colorScheme: "dark" }, "a dark phone");
  for (const step of [incidentAppears, keyboardOnly, pausing, readOnly, signedIn, numbers, weight, daemonGone]) {
    doingNow(step.name);
    await step(browser);
  }
});

async function load(browser, fragment, options) {
  const opened = await open(browser, origin, options);
  await opened.page.goto(`${origin}/${fragment}`);
  await opened.page.waitForSelector("#stream[data-state=live]", SOON);
  return opened;
}

function clean({ complaints }, what) {
  expect(complaints.length === 0, `no complaint in ${what}, not: ${complaints.join("; ")}`);
}

/** The fragments of the views of one route and one incident, as the page itself links to them. */
async function links(page) {
  await page.goto(`${origin}/#/routes`);
  const route = await page.waitForSelector("a[href*='widgets']", SOON);
  const found = { ROUTE: await route.getAttribute("href") };
  await page.goto(`${origin}/#/incidents`);
  const incident = await page.waitForSelector("a[href^='#/incident/']", SOON);
  found.INCIDENT = await incident.getAttribute("href");
  return found;
}

async function everyView(browser, options, what) {
  const opened = await load(browser, "#/overview", options);
  const { page } = opened;
  const found = await links(page);
  for (const [fragment, heading, text] of VIEWS) {
    const place = found[fragment] ?? fragment;
    const name = `${place} in ${what}`;
    doingNow(name);
    await page.goto(`${origin}/${place}`);
    await page.waitForFunction(([heading, text]) => {
      const title = document.querySelector("#title");
      return title?.textContent.includes(heading) && document.querySelector("main").innerText.includes(text);
    }, [heading, text], SOON).catch(async () => {
      throw new Error(`expected "${heading}" and "${text}" at ${name}, not: ${await page.innerText("main")}`);
    });
    await accessible(page, name);
    const [width, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    expect(width <= room, `nothing wider than the window at ${name}: ${width} of ${room}`);
  }
  clean(opened, what);
  await opened.context.close();
}

async function incidentAppears(browser) {
  const opened = await load(browser, "#/incidents");
  const { page } = opened;
  await page.evaluate(() => { globalThis.sameDocument = true; });
  expect(!(await page.innerText("main")).includes("revoked_key_accepted"), "no such incident yet");
  await want("incident");
  await page.waitForFunction(() => document.querySelector("main").innerText.includes("revoked_key_accepted"), null, SOON);
  expect(await page.evaluate(() => globalThis.sameDocument), "the same document, not another one");
  await page.waitForFunction(() => document.querySelector("#announcements").textContent.includes("New incident"), null, SOON);
  clean(opened, "an incident that appears");
  await opened.context.close();
}

async function keyboardOnly(browser) {
  const opened = await load(browser, "#/overview");
  const { page } = opened;
  const { keyboard } = page;
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
  const hash = (begin) => page.waitForFunction((begin) => location.hash.startsWith(begin), begin, SOON);
  await keyboard.press("Tab");
  expect(await focused() === "skip", "the skip link first");
  await keyboard.press("Enter");
  expect(await focused() === "content", "the content after it");
  await keyboard.press("g");
  await keyboard.press("c");
  await hash("#/consumers");
  await page.waitForSelector("main table a", SOON);
  await page.waitForFunction(() => document.activeElement.id === "title", null, SOON);
  await keyboard.press("/");
  expect(await focused() === "filter", "the filter");
  await keyboard.type("acm");
  await page.waitForFunction(() => document.querySelectorAll("main tbody tr").length === 1, null, SOON);
  await hash("#/consumers?");
  // Past the headings, which sort, to the one consumer.
  for (let tabs = 0; tabs < 40 && await focused() !== "acme"; tabs += 1) await keyboard.press("Tab");
  expect(await focused() === "acme", "the consumer's link");
  await keyboard.press("Enter");
  await hash("#/consumer/acme");
  await page.waitForFunction(() => document.activeElement.id === "title", null, SOON);
  // The key for that is the browser's own, which has none without a window.
  await page.goBack();
  await hash("#/consumers");
  expect(await page.inputValue("#filter") === "acm", "the filter as it was");
  await page.focus("#title");
  await keyboard.press("?");
  await page.waitForSelector("dialog[open]", SOON);
  await accessible(page, "the help");
  await keyboard.press("Escape");
  await page.waitForSelector("dialog[open]", { state: "detached", ...SOON });
  // Sorting from the keyboard, and said so.
  await page.focus("main th button");
  await keyboard.press("Enter");
  await page.waitForSelector("main th[aria-sort]", SOON);
  clean(opened, "the keyboard");
  await opened.context.close();
}

async function pausing(browser) {
  const opened = await load(browser, "#/overview");
  const { page } = opened;
  await page.keyboard.press("p");
  await page.waitForSelector("#stream[data-state=paused]", SOON);
  const before = await page.innerText("main");
  await want("traffic");
  expect(await page.innerText("main") === before, "nothing changed while it was paused");
  await page.keyboard.press("p");
  await page.waitForFunction((before) => document.querySelector("main").innerText !== before, before, SOON);
  clean(opened, "pausing");
  await opened.context.close();
}

async function readOnly(browser) {
  const opened = await load(browser, "#/consumer/acme");
  const { page } = opened;
  await page.waitForFunction(() => document.querySelector("#session").textContent.includes("observer login"), null, SOON);
  const buttons = await page.$$eval("button", (all) => all.map((button) => button.textContent));
  expect(!buttons.some((text) => /block|limit|acknowledge|close/i.test(text)), `no button that changes something, not: ${buttons}`);
  const status = await page.evaluate(async () => {
    const order = { act: { target: "acme", kind: "consumer", verb: "block", seconds: 60, reason: "none", dry_run: false } };
    const answer = await fetch("/api/v1/responses", { method: "POST", body: JSON.stringify(order), headers: { "content-type": "application/json" } });
    return answer.status;
  });
  expect(status === 401, `nobody to be refused, not ${status}`);
  opened.complaints.length = 0;
  await opened.context.close();
}

async function signedIn(browser) {
  const link = await want("login");
  const opened = await open(browser, origin);
  const { page } = opened;
  await page.goto(link);
  await page.waitForFunction(() => document.querySelector("#session").textContent.includes("signed in as root"), null, SOON);
  expect(!page.url().includes("ticket"), `no ticket in the address, not ${page.url()}`);
  await page.goto(`${origin}/#/consumer/beta`);
  const block = page.getByRole("button", { name: /Block consumer beta/ });
  await block.focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /[Ww]ould hit .* in the last hour/.test(document.querySelector("dialog[open]")?.textContent ?? ""), null, SOON);
  await accessible(page, "the dialog");
  // Escape does nothing but close it.
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog[open]", { state: "detached", ...SOON });
  expect(await want("beta?") === "200", "nobody was shut off");
  await block.click();
  await page.getByLabel("Reason").fill("seen on a forum");
  await page.getByRole("button", { name: "Block consumer beta", exact: true }).click();
  await page.waitForFunction(() => document.querySelector("dialog[open] h2")?.textContent === "Done", null, SOON);
  expect(await want("beta?") === "403", "beta to be shut off");
  await page.keyboard.press("Escape");
  await page.goto(`${origin}/#/incidents`);
  const end = page.getByRole("button", { name: /^End/ }).first();
  await end.click();
  await page.locator("dialog[open]").getByRole("button", { name: "End it" }).click();
  await page.waitForFunction(() => document.querySelector("dialog[open] h2")?.textContent === "Done", null, SOON);
  expect(await want("beta?") === "200", "beta to be served again");
  await page.keyboard.press("Escape");
  // An incident that somebody knows of.
  await page.getByRole("link", { name: "revoked_key_accepted" }).first().click();
  await page.getByRole("button", { name: /Acknowledge/ }).click();
  const sure = page.locator("dialog[open]").getByRole("button", { name: /Acknowledge/ });
  if (await sure.count()) await sure.click();
  await page.waitForFunction(() => /acknowledged/.test(document.querySelector("main").innerText), null, SOON);
  // Another tab does not know the token, and a second use of the link signs nobody in.
  const again = await opened.context.newPage();
  await again.goto(link);
  await again.waitForFunction(() => document.querySelector("#session").textContent.includes("Not signed in"), null, SOON);
  opened.complaints.length = 0;
  await opened.context.close();
}

/** What the page shows is what the JSON says; nothing is asked for meanwhile. */
async function numbers(browser) {
  await want("quiet");
  const opened = await load(browser, "#/consumers?sort=requests&order=desc");
  const { page } = opened;
  await page.waitForSelector("main tbody tr", SOON);
  const frame = await page.evaluate(async () => (await fetch("/api/v1/look?view=consumers")).json());
  for (const { consumer, requests } of frame.consumers) {
    const shown = await page.$$eval("main tbody tr", (rows, name) => {
      const row = rows.find((row) => row.querySelector("th")?.innerText.trim() === name);
      return row && [...row.querySelectorAll("td")].map((cell) => cell.innerText.replace(/[^0-9.%]/g, ""));
    }, consumer);
    expect(shown?.includes(String(requests)), `${requests} requests of ${consumer}, not ${shown}`);
  }
  clean(opened, "numbers");
  await opened.context.close();
}

/** One page needs no more than 200 KB to load, the first frame included. */
async function weight(browser) {
  const opened = await load(browser, "#/overview");
  const bytes = await opened.page.evaluate(() => performance.getEntriesByType("resource")
    .concat(performance.getEntriesByType("navigation")).reduce((sum, entry) => sum + entry.transferSize, 0));
  expect(bytes > 20_000 && bytes <= 200_000, `at most 200 KB for a page, not ${bytes} bytes`);
  console.error(`the page takes ${bytes} bytes`);
  await opened.context.close();
}

/** The page says so when the daemon is gone, and goes on when it is back. */
async function daemonGone(browser) {
  const opened = await load(browser, "#/overview");
  const { page } = opened;
  await want("stop");
  await page.waitForSelector("#stream[data-state=lost]", { timeout: 30_000 });
  expect((await page.innerText("#stream")).includes("trying again"), "to be told that it tries again");
  await want("start");
  await page.waitForSelector("#stream[data-state=live]", { timeout: 30_000 });
  await opened.context.close();
}
