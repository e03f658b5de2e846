// Reports as files: opened and printed as whoever got them by mail would, and held against the JSON of the same time.
//
// Arguments: pairs of a page and its JSON.

"use strict";

const fs = require("node:fs");
const { pathToFileURL } = require("node:url");
const { accessible, doingNow, expect, open, run } = require("./driver.cjs");

/** A4 without its margins, in pixels of 1/96 inch: 180 mm. */
const PAPER = { width: 680, height: 1009 };
const PHONE = { width: 360, height: 740 };

run(async (browser) => {
  const files = process.argv.slice(2);
  for (let at = 0; at < files.length; at += 2) {
    const [page, report] = [files[at], JSON.parse(fs.readFileSync(files[at + 1], "utf8"))];
    for (const colorScheme of ["light", "dark"]) {
      doingNow(`${page} ${colorScheme}`);
      await oneReport(browser, page, report, colorScheme);
    }
  }
});

async function oneReport(browser, file, report, colorScheme) {
  const address = pathToFileURL(file).href;
  // Only the page itself may be asked for: every other request is foreign, other files included.
  const { page, complaints, context } = await open(browser, address, { colorScheme });
  await page.goto(address);
  expect(await page.title() === report.title, `the title ${report.title}`);
  const dark = await page.evaluate(() => {
    const [, red] = getComputedStyle(document.body).backgroundColor.match(/\((\d+)/);
    return Number(red) < 128;
  });
  expect(dark === (colorScheme === "dark"), `${colorScheme} paper`);
  const coloured = await page.evaluate(() => [...document.querySelectorAll("svg rect, svg polyline, svg text")]
    .map((part) => [getComputedStyle(part).fill, getComputedStyle(part).stroke])
    .flat().filter((colour) => /rgb\(0, 0, 16[1-4]\)/.test(colour)).length);
  expect(coloured === 0, "plots in the colours of the page");
  await accessible(page, file);
  await sameNumbers(page, report);
  expect((await page.locator("header").innerText()).includes(report.complete ? "Complete:" : "Not complete:"),
    "how complete it is, at the top");
  for (const [what, viewport] of [["a phone", PHONE], ["paper", PAPER]]) {
    await page.setViewportSize(viewport);
    if (what === "paper") await page.emulateMedia({ media: "print" });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(over <= 0, `nothing beyond the edge of ${what}, not ${over} px`);
  }
  const ink = await page.evaluate(() => getComputedStyle(document.body).color);
  expect(ink === "rgb(27, 31, 36)", `dark words on paper, not ${ink}`);
  const printed = await page.pdf({ preferCSSPageSize: true });
  expect(printed.subarray(0, 5).toString() === "%PDF-" && printed.length > 10_000, "a printed page");
  expect(complaints.length === 0, `no complaint, not:\n${complaints.join("\n")}`);
  await context.close();
}

/** Every number of the JSON stands in its cell, as people and as programs read it, and no other number does. */
async function sameNumbers(page, report) {
  let numbers = 0;
  for (const section of report.sections) {
    const shown = await page.locator(`#${section.id} tbody tr`).evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => ({
      text: cell.innerText,
      value: cell.querySelector("data")?.value ?? null,
    }))));
    expect(shown.length === section.rows.length, `${section.rows.length} rows in ${section.id}, not ${shown.length}`);
    section.rows.forEach((row, at) => section.columns.forEach((column, place) => {
      const [wanted, found] = [row[column], shown[at][place]];
      const where = `${section.id} ${at + 1} ${column}`;
      if (typeof wanted !== "number") {
        expect(found.value === null, `no number in ${where}`);
        return;
      }
      numbers += 1;
      expect(Number(found.value) === wanted, `${wanted} in ${where}, not ${found.value}`);
      const text = found.text.replaceAll("\u202f", "");
      const read = text.endsWith(" %") ? Number(text.slice(0, -2)) / 100 : Number(text);
      expect(Math.abs(read - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted)), `${wanted} in ${where}, not ${found.text}`);
    }));
  }
  const all = await page.locator("main data").count();
  expect(numbers > 10 && all === numbers, `${numbers} numbers, not ${all}`);
}
