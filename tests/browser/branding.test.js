// report.html in the clothes of an organisation: the logo shows, the colour can be read, and
// whatever a template holds, the page runs and loads nothing but its own.
//
// INTRANSIT names the program (default: target/debug/intransit), CHROMIUM the browser.

'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { pathToFileURL } = require('node:url');
const zlib = require('node:zlib');

const { Browser } = require('./browser.js');

const ROOT = path.resolve(__dirname, '../..');
const PROGRAM = process.env.INTRANSIT || path.join(ROOT, 'target/debug/intransit');
const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 10"><style>.a{fill:#0f6cbd}</style><path class="a" d="M0 0h40v10H0z"/></svg>';

// A picture of red pixels, half of them clear.
function png(width, height) {
  const chunk = (kind, content) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(content.length);
    const body = Buffer.concat([Buffer.from(kind), content]);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(zlib.crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 6], 8);
  const row = [0, ...Array.from({ length: width }, (_, x) => [255, 0, 0, x % 2 ? 255 : 0]).flat()];
  const rows = Buffer.from(Array(height).fill(row).flat());
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head), chunk('IDAT', zlib.deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'branding-test-'));
let browser;

before(() => { browser = new Browser(); });

after(async () => {
  await browser.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

// The page of the demonstration with these keys of [branding] and these files.
function page(name, keys, files) {
  const home = path.join(folder, name);
  for (const [file, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(home, file)), { recursive: true });
    fs.writeFileSync(path.join(home, file), content);
  }
  fs.writeFileSync(path.join(home, 'intransit.toml'), `[report]\norganisation = "Contoso"\n\n[branding]\n${keys}\n`);
  execFileSync(PROGRAM, ['report', path.join(ROOT, 'tests/data/demo'), '--formats', 'html', '--out', 'out'],
    { cwd: home, stdio: ['ignore', 'ignore', 'pipe'] });
  return pathToFileURL(path.join(home, 'out/report.html')).href;
}

const DRESSES = {
  'SVG and blue': ['logo = "logo.svg"\naccent = "#0f6cbd"', { 'logo.svg': SVG }, 'rgb(15, 108, 189)'],
  'the lightest grey': ['logo = "logo.svg"\naccent = "#767676"', { 'logo.svg': SVG }, 'rgb(118, 118, 118)'],
  'PNG without a colour': ['logo = "logo.png"', { 'logo.png': png(80, 20) }, 'rgba(0, 0, 0, 0)'],
};

for (const [name, [keys, files, colour]] of Object.entries(DRESSES)) {
  test(`${name}: the logo shows, and axe finds nothing`, async () => {
    const url = page(name, keys, files);
    for (const [dark, width] of [[false, 1280], [true, 1280], [false, 375]]) {
      const opened = await browser.open({ width, dark });
      await opened.goto(url);
      const shown = await opened.run(async () => {
        const logo = document.querySelector('img.logo');
        await logo.decode();
        const box = logo.getBoundingClientRect();
        const style = (at) => getComputedStyle(at).backgroundColor;
        return {
          alt: logo.alt,
          drawn: logo.naturalWidth > 0 && box.width > 10 && box.height > 10,
          plate: style(logo),
          bar: style(document.querySelector('.title')),
          fits: document.documentElement.scrollWidth <= window.innerWidth,
        };
      });
      assert.deepEqual(shown, { alt: 'Contoso', drawn: true, plate: 'rgb(255, 255, 255)', bar: colour, fits: true });
      assert.deepEqual(opened.said, [], 'nothing on the console');
      assert.deepEqual(opened.requests.filter((request) => request !== url && !request.startsWith('data:')), []);
      await opened.send('Runtime.evaluate', { expression: AXE });
      const faults = await opened.run(async () => {
        const found = await window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
        if (found.passes.length < 20) return ['hardly anything was looked at'];
        return found.violations.map((rule) => `${rule.id}: ${rule.nodes.slice(0, 3).map((node) => node.html).join(' ')}`);
      });
      assert.deepEqual(faults, [], dark ? 'dark' : 'light');
      await opened.close();
    }
  });
}

test('what a template adds does not run and does not load', async (t) => {
  const asked = [];
  const server = http.createServer((request, response) => { asked.push(request.url); response.end(); });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => { server.closeAllConnections(); server.close(); });
  const elsewhere = `http://127.0.0.1:${server.address().port}`;
  const template = `{% extends "builtin/report.html" %}
{% block before %}
<p id="house" onclick="document.title = 'handler'">House</p>
<script>document.title = 'script';</script>
<img src="${elsewhere}/a.png" alt="">
<style>@import "${elsewhere}/a.css";</style>
<p style="background:url(${elsewhere}/b.png)">x</p>
<form action="${elsewhere}/"><input type="submit" id="send"></form>
<a id="js" href="javascript:document.title='link'">x</a>
{% endblock %}
`;
  const url = page('template', 'templates = "t"', { 't/report.html': template });
  const opened = await browser.open();
  await opened.goto(url);
  await opened.run(() => {
    for (const id of ['house', 'js', 'send']) document.getElementById(id).click();
  });
  assert.match(await opened.run(() => document.title), /^Mail protected in transit/);
  assert.equal(await opened.run(() => location.href.split('#')[0]), url);
  assert.ok(opened.said.length >= 4, 'the browser says what it refused');
  await opened.close();
  assert.deepEqual(asked, [], 'nothing was asked for');
});
