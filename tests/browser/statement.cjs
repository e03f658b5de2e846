// Statements as pages: whoever opens one can use it, nothing is loaded, and a print is black on white with no number covered.
//
// Arguments: addresses of pages; those of drafts end in draft.html.

"use strict";

const { accessible, doingNow, expect, open, run } = require("./driver.cjs");

run(async (browser) => {
  for (const address of process.argv.slice(2)) {
    doingNow(address);
    for (const colorScheme of ["light", "dark"]) {
      const { page, complaints, context } = await open(browser, address, { colorScheme });
      await page.goto(address);
      await accessible(page, `${address} in ${colorScheme}`);
      await page.emulateMedia({ media: "print" });
      const seen = await page.evaluate(() => {
        const all = [...document.querySelectorAll("body, body *")].map((element) => getComputedStyle(element).color);
        const mark = getComputedStyle(document.body, "::before");
        return {
          colours: [...new Set(all)],
          back: getComputedStyle(document.documentElement).backgroundColor,
          mark: mark.content,
          depth: mark.zIndex,
          text: document.body.innerText,
        };
      });
      expect(seen.colours.join() === "rgb(0, 0, 0)", `black, not ${seen.colours}`);
      expect(seen.back === "rgb(255, 255, 255)", `on white, not ${seen.back}`);
      const draft = address.endsWith("draft.html");
      expect((seen.mark === '"DRAFT"') === draft, `a mark on drafts only, not ${seen.mark}`);
      expect(!draft || Number(seen.depth) < 0, `the mark behind what is written, not at ${seen.depth}`);
      expect(seen.text.includes("Data completeness"), "the data completeness");
      expect(complaints.length === 0, `no complaint, not: ${complaints.join("; ")}`);
      await context.close();
    }
  }
});
