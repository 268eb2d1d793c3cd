// Opens reports in a browser, at the width of a desk and of a phone, in light and dark: counts
// requests, console errors and findings of axe-core, and keeps screenshots.
//
//   npm install playwright-core axe-core
//   node benchmarks/report_pages.mjs OUT_FOLDER run/report.html bundle/report.html ...
//
// CHROMIUM names the browser; default: /usr/bin/chromium. The exit code is 1 where a page asks for
// anything, logs an error, is wider than the screen, or has a serious finding.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

// Packages are found from the folder that one is in.
const require = createRequire(path.join(process.cwd(), "package.json"));
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [out, ...pages] = process.argv.slice(2);
fs.mkdirSync(out, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
let failed = false;
for (const file of pages) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      // The policy of the page itself would keep axe-core out.
      const context = await browser.newContext({
        viewport: { width, height: 900 }, colorScheme, bypassCSP: true,
      });
      const page = await context.newPage();
      const errors = [];
      const requests = [];
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      page.on("pageerror", (error) => errors.push(String(error)));
      page.on("request", (request) => request.url().startsWith("data:") || requests.push(request.url()));
      await page.goto("file://" + path.resolve(file));
      await page.evaluate(axe);
      const found = await page.evaluate(() => window.axe.run());
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
      const name = path.basename(path.dirname(path.resolve(file)));
      await page.screenshot({ path: path.join(out, `${name}_${colorScheme}_${width}.png`), fullPage: true });
      const serious = found.violations.filter((v) => ["serious", "critical"].includes(v.impact));
      console.log(JSON.stringify({
        page: file, colorScheme, width, bytes: fs.statSync(file).size,
        requests: requests.length - 1, errors, wide,
        findings: found.violations.map((v) => `${v.impact}: ${v.id} (${v.nodes.length}): ${v.nodes[0].html.slice(0, 120)}`),
      }));
      failed ||= requests.length > 1 || errors.length > 0 || wide || serious.length > 0;
      await context.close();
    }
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
