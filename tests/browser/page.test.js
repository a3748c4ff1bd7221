// report.html in Chromium: every number that it shows is a sum of report.json.
//
// INTRANSIT names the program (default: target/debug/intransit), CHROMIUM the browser.

'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { pathToFileURL } = require('node:url');

const { Browser } = require('./browser.js');

const ROOT = path.resolve(__dirname, '../..');
const PROGRAM = process.env.INTRANSIT || path.join(ROOT, 'target/debug/intransit');
const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const USUAL = ['no_tls', 'tls1_0', 'tls1_1', 'tls1_2', 'tls1_3'];
const WAYS = ['inbound', 'outbound'];

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'page-test-'));
let browser;
let demo;
let hostile;
let large;

function report(name, source, ...more) {
  const out = path.join(folder, name);
  execFileSync(PROGRAM,
    ['report', source, '--organisation', 'Contoso', '--formats', 'html,json', '--out', out, ...more],
    { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
  const json = JSON.parse(fs.readFileSync(path.join(out, 'report.json'), 'utf8'));
  const days = new Map();
  for (const period of json.periods) {
    for (const day of period.daily) days.set([day.date, day.direction, day.connector].join('\0'), day);
  }
  const [from, to] = [json.periods.map((p) => p.from).sort()[0], json.periods.map((p) => p.to).sort().at(-1)];
  return { url: pathToFileURL(path.join(out, 'report.html')).href, json, days: [...days.values()], from, to };
}

// A connector report of November for these connectors.
function table(name, connectors, volume) {
  const rows = ['Date,Connector direction and name,No TLS,TLS 1.2,TLS 1.3,Volume'];
  for (let day = 1; day <= 30; day += 1) {
    connectors.forEach((connector, index) => rows.push(
      `2026-11-${String(day).padStart(2, '0')},"From partner - ${connector.replaceAll('"', '""')}",1,19,80,${volume(day, index)}`));
  }
  const file = path.join(folder, name + '.csv');
  fs.writeFileSync(file, rows.join('\n') + '\n');
  return report(name, file, '--as-of', '2026-12-01');
}

const HOSTILE = ['<img src=x onerror=alert(1)>', "=cmd|'/c calc'!A1", '</script><script>alert(2)</script>',
  'All mail flow', '&amp; "quoted", & more', 'x'.repeat(500)];

before(() => {
  browser = new Browser();
  demo = report('demo', path.join(ROOT, 'tests/data/demo'));
  hostile = table('hostile', HOSTILE, (day, index) => 100 * (day + index));
  large = table('large', Array.from({ length: 100 }, (_, n) => `Partner ${String(n).padStart(3, '0')}`),
    (day, index) => 100 * (day * 1000 + index));
});

after(async () => {
  await browser.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

// Opens a page, does something with it, and sees to it that it was quiet and went nowhere.
async function visit(of, options, task) {
  const page = await browser.open(options);
  try {
    const url = of.url + (options.hash ?? '');
    await page.goto(url);
    await task(page);
    assert.deepEqual(page.said, [], 'nothing on the console');
    // The browser itself draws the calendar of a date field from a data: address.
    const own = (request) => request.split('#')[0] === of.url || /^(blob|data):/.test(request);
    const others = page.requests.filter((request) => !own(request));
    assert.deepEqual(others, [], 'no request leaves the page');
  } finally {
    await page.close();
  }
}

// ---- What the page should show ---------------------------------------------------------

const figure = (day) => [...USUAL.map((band) => day.tls[band]), day.messages];
const plus = (a, b) => a.map((n, index) => n + b[index]);
const zero = () => Array(USUAL.length + 1).fill(0);
const label = (day) => `${day.direction === 'inbound' ? 'Inbound' : 'Outbound'}, ${day.connector ?? 'Without a connector'}`;

// `connector` is undefined for all mail flow, null for mail without a connector.
function expected(of, { connector, from = of.from, to = of.to } = {}) {
  const days = of.days.filter((day) => day.date >= from && day.date <= to
    && (connector === undefined || day.connector === connector));
  const by = (key) => {
    const sums = {};
    for (const day of days) sums[key(day)] = plus(sums[key(day)] ?? zero(), figure(day));
    return sums;
  };
  return { days, places: by(label), ways: by((day) => day.direction), dates: by((day) => day.date + day.direction) };
}

// ---- What the page shows -----------------------------------------------------------------

const shown = (page) => page.run(() => {
  const number = (cell) => Number(cell.dataset.n ?? cell.textContent);
  const lines = (selector) => [...document.querySelectorAll(selector)].filter((row) => !row.hidden)
    .map((row) => ({
      head: row.cells[0].firstChild.textContent,
      texts: [...row.cells].map((cell) => cell.textContent),
      numbers: [...row.cells].filter((cell) => cell.matches('[data-n], #rows td:nth-child(n+5)')).map(number),
    }));
  const bars = (view) => [...document.querySelectorAll(`#${view}-plots .way`)].map((way) => ({
    way: way.dataset.way,
    days: [...way.querySelectorAll('g')].map((bar) => ({
      date: bar.dataset.date,
      label: bar.getAttribute('aria-label'),
      tall: [...bar.querySelectorAll('rect:not(.hit)')].reduce((sum, rect) => sum + Number(rect.getAttribute('height')), 0),
      parts: [...bar.querySelectorAll('rect:not(.hit)')].map((rect) => rect.getAttribute('class').slice(2)),
    })),
  }));
  const visible = (id) => !document.getElementById(id).hidden;
  return {
    view: ['flow', 'tls'].filter(visible),
    connector: document.getElementById('connector').value,
    from: document.getElementById('from').value,
    to: document.getElementById('to').value,
    summary: document.getElementById('summary').textContent,
    sums: lines('#sums tbody tr'),
    flowDays: lines('#flow-days tbody tr'),
    tlsDays: lines('#tls-days tbody tr'),
    details: lines('#rows tbody tr'),
    foot: lines('#rows tfoot tr')[0].numbers,
    caption: document.querySelector('#sums caption').textContent,
    flow: bars('flow'),
    tls: bars('tls'),
    hash: location.hash,
  };
});

const choose = (page, id, value) => page.run((which, to) => {
  const field = document.getElementById(which);
  field.value = to;
  field.dispatchEvent(new Event('input', { bubbles: true }));
  field.dispatchEvent(new Event('change', { bubbles: true }));
}, id, value);

const click = (page, selector) => page.run((which) => document.querySelector(which).click(), selector);

// Compares everything that follows from the choices with sums of report.json.
async function compare(page, of, choice, ways = WAYS) {
  const should = expected(of, choice);
  const is = await shown(page);
  const rows = is.sums.filter((row) => !row.head.endsWith(', All mail flow'));
  const pick = (sum) => (is.view[0] === 'tls' ? sum : sum.slice(-1));
  assert.deepEqual(
    Object.fromEntries(rows.map((row) => [row.head, row.numbers.slice(0, pick(zero()).length)])),
    Object.fromEntries(Object.entries(should.places).map(([key, sum]) => [key, pick(sum)])));
  if (choice?.connector === undefined) {
    const totals = is.sums.filter((row) => row.head.endsWith(', All mail flow'));
    assert.deepEqual(totals.map((row) => row.numbers.slice(0, pick(zero()).length)),
      WAYS.map((way) => pick(should.ways[way] ?? zero())));
  }
  const dates = is.flowDays.map((row) => row.head);
  assert.equal(dates[0], choice?.from ?? of.from);
  assert.equal(dates.at(-1), choice?.to ?? of.to);
  for (const row of is.flowDays) {
    assert.deepEqual(row.numbers, WAYS.map((way) => should.dates[row.head + way]?.at(-1) ?? 0), row.head);
  }
  assert.equal(is.tlsDays.length, dates.length * ways.length);
  is.tlsDays.forEach((row, index) => {
    const way = ways[index % ways.length];
    assert.deepEqual(row.numbers, should.dates[row.head + way] ?? zero(), row.head + way);
  });
  for (const plots of [is.flow, is.tls]) {
    assert.deepEqual(plots.map((plot) => plot.way), ways);
    const most = Math.max(1, ...Object.values(should.dates).map((sum) => sum.at(-1)));
    const scale = Math.max(...plots.flatMap((plot) => plot.days.map((day) => day.tall))) / most;
    for (const { way, days } of plots) {
      assert.deepEqual(days.map((day) => day.date), dates);
      for (const day of days) {
        const all = should.dates[day.date + way]?.at(-1) ?? 0;
        assert.ok(Math.abs(day.tall - scale * all) < 0.01, `${day.date}: bar of ${all}`);
        if (all > 0) assert.match(day.label, new RegExp(`: ${all.toLocaleString('en', { useGrouping: all > 9999 })} message`));
      }
    }
  }
  assert.deepEqual(is.details.map((row) => row.texts[0] + row.texts[1]).sort(),
    should.days.map((day) => day.date + label(day)).sort());
  assert.deepEqual(is.foot, should.days.map(figure).reduce(plus, zero()));
  return is;
}

test('all mail flow, both views, every preset', async () => {
  await visit(demo, {}, async (page) => {
    for (const view of ['flow', 'tls']) {
      await click(page, `#tab-${view}`);
      assert.deepEqual((await compare(page, demo)).view, [view]);
      for (const { from, to } of demo.json.periods) {
        await click(page, `[data-from="${from}"][data-to="${to}"]`);
        const is = await compare(page, demo, { from, to });
        assert.equal(is.from, from);
      }
    }
  });
});

test('each connector', async () => {
  await visit(demo, {}, async (page) => {
    await click(page, '#tab-tls');
    const options = await page.run(() => [...document.getElementById('connector').options].map((o) => [o.value, o.text]));
    assert.deepEqual(options[0], ['', 'All mail flow']);
    assert.deepEqual(options.at(-1), ['none', 'Without a connector']);
    const names = new Set(demo.days.map((day) => day.connector).filter(Boolean));
    assert.deepEqual(new Set(options.slice(1, -1).map(([, text]) => text)), names);
    for (const [value, text] of options.slice(1)) {
      const connector = value === 'none' ? null : text;
      const ways = WAYS.filter((way) => demo.days.some((day) => day.connector === connector && day.direction === way));
      await choose(page, 'connector', value);
      await compare(page, demo, { connector }, ways);
    }
  });
});

test('dates, and the period before', async () => {
  await visit(demo, {}, async (page) => {
    await choose(page, 'from', '2026-11-02');
    await choose(page, 'to', '2026-11-04');
    const is = await compare(page, demo, { from: '2026-11-02', to: '2026-11-04' });
    // Three days before: 30 October to 1 November.
    const before = expected(demo, { from: '2026-10-30', to: '2026-11-01' });
    assert.match(is.caption, /30 October 2026 to 1 November 2026/);
    for (const row of is.sums) {
      const sum = before.places[row.head] ?? before.ways[WAYS.find((way) => row.head.toLowerCase() === `${way}, all mail flow`)] ?? zero();
      assert.equal(row.numbers[1], sum.at(-1), row.head);
    }
    // The first days have none before them.
    await choose(page, 'from', '2026-10-17');
    assert.match((await shown(page)).caption, /do not cover/);
    // A week that the report knows: its own figures of the week before.
    const week = demo.json.periods.find((period) => period.id === 'week');
    await click(page, `[data-from="${week.from}"][data-to="${week.to}"]`);
    const { sums } = await shown(page);
    for (const part of week.connectors) {
      const row = sums.find((line) => line.head === label(part));
      assert.deepEqual(row.numbers, [part.messages, part.previous?.messages ?? 0]);
    }
    assert.deepEqual(sums.slice(-2).map((line) => line.numbers),
      week.totals.map((total) => [total.messages, total.previous.messages]));
  });
});

test('shares are rounded as the report rounds them', async () => {
  await visit(demo, { hash: '#view=tls' }, async (page) => {
    for (const [index, { from, to }] of demo.json.periods.entries()) {
      await click(page, `[data-from="${from}"][data-to="${to}"]`);
      const [made, held, summary, cards] = await page.run((at) => {
        const shares = (table) => [...table.tBodies[0].rows].map((row) =>
          [row.cells[0].textContent, ...[...row.cells].slice(3).map((cell) => cell.querySelector('small')?.textContent)]
            .filter((text) => text !== undefined));
        return [shares(document.getElementById('sums')),
          shares(document.querySelector(`[data-lines=now][data-period="${at}"]`)),
          [...document.querySelectorAll('#summary span')].map((span) => span.textContent.match(/[\d.]+%/)[0]),
          [...document.querySelectorAll('.cards')][at].innerText.match(/[\d.]+%/g)];
      }, index);
      // The share of No TLS before comes last, where there is one.
      assert.deepEqual(made.map((row) => row.slice(0, 1 + USUAL.length)), held);
      assert.deepEqual(summary, cards);
    }
  });
});

test('dates in the wrong order change nothing and are said', async () => {
  await visit(demo, {}, async (page) => {
    await choose(page, 'to', '2026-11-01');
    const earlier = await shown(page);
    await choose(page, 'from', '2026-11-05');
    const state = await page.run(() => [document.getElementById('order').textContent,
      document.getElementById('from').getAttribute('aria-invalid'), document.getElementById('summary').textContent]);
    assert.deepEqual(state, ['The first day must not be after the last.', 'true', earlier.summary]);
    await choose(page, 'to', '2026-11-06');
    await compare(page, demo, { from: '2026-11-05', to: '2026-11-06' });
    await choose(page, 'from', '');
    await compare(page, demo, { to: '2026-11-06' });
  });
});

test('a date can be typed, and one outside the report does not stay', async () => {
  await visit(demo, {}, async (page) => {
    const type = async (digits) => {
      await page.run(() => { document.activeElement.blur(); document.getElementById('from').focus(); });
      for (const digit of digits) await page.key(digit, digit);
    };
    await type('11052026');
    await compare(page, demo, { from: '2026-11-05' });
    await type('01021999');
    await page.run(() => document.activeElement.blur());
    await compare(page, demo, { from: '2026-11-05' });
  });
});

test('sorting and search', async () => {
  await visit(demo, {}, async (page) => {
    const column = async (index) => (await shown(page)).details.map((row) => row.texts[index]);
    const sort = () => page.run(() => [...document.querySelectorAll('#rows [aria-sort]')]
      .map((head) => [head.dataset.key, head.getAttribute('aria-sort')]));
    assert.deepEqual(await sort(), [['date', 'ascending']]);
    for (const [key, index] of [['messages', 9], ['no_tls', 4]]) {
      await click(page, `#rows [data-key=${key}] button`);
      assert.deepEqual(await sort(), [[key, 'ascending']]);
      const up = (await column(index)).map(Number);
      assert.deepEqual(up, [...up].sort((a, b) => a - b));
      await click(page, `#rows [data-key=${key}] button`);
      assert.deepEqual(await sort(), [[key, 'descending']]);
      assert.deepEqual((await column(index)).map(Number), [...up].reverse());
    }
    await click(page, '#rows [data-key=connector] button');
    const names = await column(1);
    assert.deepEqual(names, [...names].sort(new Intl.Collator('en', { numeric: true }).compare));
    await choose(page, 'search', 'LOGISTICA');
    const found = await shown(page);
    const should = demo.days.filter((day) => day.connector === 'Fabrikam Logística');
    assert.equal(found.details.length, should.length);
    assert.deepEqual(found.foot, should.map(figure).reduce(plus));
    await choose(page, 'search', 'nothing like this');
    assert.deepEqual((await shown(page)).foot, zero());
  });
});

test('the address keeps the choices', async () => {
  let hash;
  await visit(demo, {}, async (page) => {
    await click(page, '#tab-tls');
    await choose(page, 'connector', 'name:Fabrikam Logística');
    await choose(page, 'from', '2026-11-02');
    await choose(page, 'search', '2026-11');
    await click(page, '#rows [data-key=messages] button');
    await click(page, '#rows [data-key=messages] button');
    ({ hash } = await shown(page));
    assert.match(hash, /view=tls/);
  });
  await visit(demo, { hash }, async (page) => {
    const is = await shown(page);
    assert.deepEqual([is.view, is.connector, is.from, is.to], [['tls'], 'name:Fabrikam Logística', '2026-11-02', demo.to]);
    const volumes = is.details.map((row) => Number(row.texts[9]));
    assert.deepEqual(volumes, [...volumes].sort((a, b) => b - a));
    assert.ok(volumes.length > 0);
    assert.equal(await page.run(() => document.getElementById('search').value), '2026-11');
    // Another address by hand, a link within the page, and nonsense.
    await page.run(() => { location.hash = '#view=flow&from=2026-11-10'; });
    await compare(page, demo, { from: '2026-11-10' });
    await page.run(() => document.querySelector('a[href="#evidence"]').click());
    await compare(page, demo, { from: '2026-11-10' });
    await page.run(() => { location.hash = '#view=x&connector=y&from=1999-01-01&to=zz&sort=__proto__'; });
    await compare(page, demo);
  });
});

test('a matter leads to its connector', async () => {
  await visit(demo, {}, async (page) => {
    await page.run(() => document.querySelector('.matters a').click());
    const is = await compare(page, demo, { connector: 'Fabrikam Logística' }, ['inbound']);
    assert.deepEqual(is.view, ['tls']);
  });
});

test('tabs and bars by keyboard', async () => {
  await visit(demo, {}, async (page) => {
    await page.run(() => document.getElementById('tab-flow').focus());
    await page.key('ArrowRight');
    assert.deepEqual((await shown(page)).view, ['tls']);
    assert.equal(await page.run(() => document.activeElement.id), 'tab-tls');
    await page.key('ArrowRight');
    assert.deepEqual((await shown(page)).view, ['flow']);
    const at = () => page.run(() => [document.activeElement.dataset.date, document.getElementById('flow-readout').textContent]);
    await page.run(() => document.querySelector('#flow-plots g').focus());
    const should = expected(demo).dates;
    for (const [key, date] of [['ArrowRight', '2026-10-18'], ['End', demo.to], ['Home', demo.from], ['ArrowLeft', demo.from]]) {
      await page.key(key);
      const [focused, said] = await at();
      assert.equal(focused, date);
      assert.match(said, new RegExp(`: ${should[`${date}inbound`].at(-1)} messages`));
    }
    assert.equal(await page.run(() => document.querySelectorAll('#flow-plots [tabindex="0"]').length), 2, 'one stop each way');
    // A head of the table is a button.
    await page.run(() => { document.getElementById('details').open = true; document.querySelector('#rows [data-key=tls1_3] button').focus(); });
    await page.key('Enter', '\r');
    assert.match((await shown(page)).hash, /sort=tls1_3/);
  });
});

test('the download holds what is shown', async () => {
  const catchBlob = () => {
    window.kept = null;
    const make = URL.createObjectURL.bind(URL);
    URL.createObjectURL = (blob) => { window.kept = blob; return make(blob); };
  };
  await visit(hostile, {}, async (page) => {
    const target = fs.mkdtempSync(path.join(folder, 'down-'));
    await browser.send('Browser.setDownloadBehavior',
      { behavior: 'allow', downloadPath: target, browserContextId: page.context });
    await page.run(catchBlob);
    await choose(page, 'from', '2026-11-29');
    await click(page, '#rows [data-key=messages] button');
    await click(page, '#download');
    const blob = await page.run(() => window.kept.text());
    const name = 'daily-2026-11-29-2026-11-30.csv';
    for (let tries = 0; tries < 100 && !fs.existsSync(path.join(target, name)); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(fs.readFileSync(path.join(target, name), 'utf8'), blob, 'the file is what was made');
    const lines = blob.split('\r\n');
    assert.equal(lines[0], 'Date,Direction,Connector,Connector type,Forced TLS?,No TLS,TLS 1.0,TLS 1.1,TLS 1.2,TLS 1.3,Volume');
    assert.equal(lines.length, 1 + 2 * HOSTILE.length + 1);
    assert.ok(lines.some((line) => line.startsWith("2026-11-30,Inbound,\"'=cmd|'/c calc'!A1\",Partner,")), blob);
    assert.ok(lines.some((line) => line.includes(',"&amp; ""quoted"", & more",')), blob);
    const volumes = lines.slice(1, -1).map((line) => Number(line.split(',').at(-1)));
    assert.deepEqual(volumes, [...volumes].sort((a, b) => a - b));
    assert.equal(volumes.reduce((a, b) => a + b), expected(hostile, { from: '2026-11-29' }).ways.inbound.at(-1));
  });
});

test('hostile names are shown and chosen as text', async () => {
  await visit(hostile, {}, async (page) => {
    const texts = await page.run(() => [...document.getElementById('connector').options].map((option) => option.text));
    const all = ['All mail flow', ...HOSTILE.map((name) => (name === 'All mail flow' ? `${name} (2)` : name.length > 160 ? `${name.slice(0, 160)}…` : name))];
    assert.deepEqual([...texts].sort(), all.sort());
    for (const index of texts.keys()) {
      await page.run((n) => {
        const field = document.getElementById('connector');
        field.selectedIndex = n;
        field.dispatchEvent(new Event('change'));
      }, index);
      const { sums } = await shown(page);
      assert.equal(sums.length, index === 0 ? HOSTILE.length + 2 : 1);
    }
    assert.equal(await page.run(() => document.querySelectorAll('img, main script').length), 0);
  });
});

test('without JavaScript every number is there, and no control without use', async () => {
  await visit(demo, { scripts: false }, async (page) => {
    const found = await page.run(() => ({
      details: [...document.querySelectorAll('#rows tbody tr')].map((row) => [...row.cells].map((cell) => cell.dataset.n ?? cell.textContent.trim())),
      tables: ['now', 'before'].map((kind) => [...document.querySelectorAll(`[data-lines=${kind}]`)].map((table) =>
        [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll('[data-n]')].map((cell) => Number(cell.dataset.n))))),
      flow: [...document.querySelectorAll('#flow-days tbody tr')].map((row) => [...row.querySelectorAll('[data-n]')].map((cell) => Number(cell.dataset.n))),
      controls: [...document.querySelectorAll('button, select, input, [role=tab]')].filter((control) => control.checkVisibility()).length,
      views: [...document.querySelectorAll('.view')].filter((view) => view.checkVisibility()).length,
      bars: document.querySelectorAll('#tls-plots g').length,
      text: document.body.textContent,
    }));
    const days = demo.days.map((day) => [day.date, label(day), ...figure(day).map(String)].join('|')).sort();
    assert.deepEqual(found.details.map((row) => [...row.slice(0, 2), ...row.slice(4)].join('|')).sort(), days);
    demo.json.periods.forEach((period, index) => {
      const parts = [...period.connectors, ...period.totals];
      assert.deepEqual(found.tables[0][index], parts.map(figure));
      const before = parts.map((part) => part.previous).filter(Boolean).map(figure);
      assert.deepEqual(found.tables[1][index] ?? [], before);
      for (const { messages, peer } of period.peers) assert.ok(found.text.includes(peer) && found.text.includes(messages));
    });
    const should = expected(demo).dates;
    const dates = [...new Set(demo.days.map((day) => day.date))];
    const summed = found.flow.reduce(plus);
    assert.deepEqual(summed, WAYS.map((way) => dates.reduce((sum, date) => sum + (should[date + way]?.at(-1) ?? 0), 0)));
    for (const source of demo.json.sources) assert.ok(found.text.includes(source.sha256));
    assert.deepEqual([found.controls, found.views], [0, 2]);
    assert.equal(found.bars, 2 * found.flow.length);
  });
});

// What the script writes at first is, to the letter, what it finds: numbers, dates, shares.
test('the script says the same as the page, in every language', async () => {
  const written = (page) => page.run(() => {
    const texts = (selector, text) => [...document.querySelectorAll(selector)].map(text);
    const cells = (row) => [...row.cells].map((cell) => cell.textContent);
    const label = (bar) => bar.getAttribute('aria-label') ?? bar.querySelector('title').textContent;
    return {
      bars: ['flow', 'tls'].map((view) => texts(`#${view}-plots g`, label)),
      ticks: texts('.plot text, .scale text', (text) => text.textContent),
      tall: texts('.plot rect:not(.hit)', (rect) => Number(rect.getAttribute('height')).toFixed(1)),
      days: texts('#flow-days tr, #tls-days tr', cells),
      sums: texts('#sums tbody tr', cells),
      held: texts('[data-lines=now]:not(#sums)', (table) => [...table.tBodies[0].rows].map(cells)),
      said: document.getElementById('summary').textContent + document.querySelector('#sums caption')?.textContent,
    };
  });
  for (const language of ['en', 'fr', 'pt-BR', 'de', 'es']) {
    const file = path.join(folder, 'large.csv');
    const pages = [
      report(`demo-${language}`, path.join(ROOT, 'tests/data/demo'), '--lang', language),
      report(`large-${language}`, file, '--as-of', '2026-12-01', '--lang', language),
    ];
    for (const [index, of] of pages.entries()) {
      let bare;
      await visit(of, { scripts: false }, async (page) => { bare = await written(page); });
      await visit(of, { hash: '#view=tls' }, async (page) => {
        const made = await written(page);
        // A way without any mail is left out by the script.
        const [bars, days] = index === 0 ? [bare.bars, bare.days]
          : [bare.bars.map((labels) => labels.slice(0, labels.length / 2)), bare.days.filter((cells) => cells.length < 4 || !/^(Out|Sort|Saí|Aus|Sal)/.test(cells[1]))];
        assert.deepEqual(made.bars, bars);
        assert.deepEqual(made.days, days);
        if (index === 0) {
          assert.deepEqual([made.ticks, made.tall], [bare.ticks, bare.tall]);
          assert.deepEqual(made.sums, bare.held.at(-1), language);
        }
        assert.doesNotMatch(made.said, /undefined|\{|\}/);
        const group = { en: ',', fr: '\u202f', 'pt-BR': '.', de: '.', es: '.' }[language];
        if (index === 1) assert.ok(made.said.includes(`${group}000`), made.said);
      });
    }
  }
});

test('a hundred connectors answer at once', async () => {
  await visit(large, {}, async (page) => {
    await compare(page, large, {}, ['inbound']);
    const taken = await page.run(() => {
      const start = performance.now();
      document.getElementById('tab-tls').click();
      document.querySelector('#rows [data-key=messages] button').click();
      return performance.now() - start;
    });
    assert.ok(taken < 2000, `${taken} ms`);
    await compare(page, large, {}, ['inbound']);
  });
});

for (const width of [360, 1280]) {
  for (const dark of [false, true]) {
    test(`accessible at ${width} px, ${dark ? 'dark' : 'light'}`, async () => {
      // With the details of few days: to look at every cell of many takes minutes.
      const cases = [
        { of: demo, hash: '', open: false },
        { of: demo, hash: '#view=tls&from=2026-11-14', open: true },
        { of: hostile, hash: '#view=tls&from=2026-11-30', open: true },
        { of: demo, hash: '', open: false, scripts: false },
      ];
      for (const { of, hash, open, scripts = true } of cases) {
        await visit(of, { width, dark, scripts, hash }, async (page) => {
          await page.run((wide) => { document.getElementById('details').open = wide; }, open);
          assert.equal(await page.run(() => document.documentElement.scrollWidth), width, 'nothing stands out');
          if (!scripts) await page.send('Emulation.setScriptExecutionDisabled', { value: false });
          await page.send('Runtime.evaluate', { expression: AXE });
          const faults = await page.run(async () => {
            const found = await window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
            if (found.passes.length < 20) return ['hardly anything was looked at'];
            return found.violations.map((rule) => `${rule.id}: ${rule.nodes.slice(0, 3).map((node) => node.html).join(' ')}`);
          });
          assert.deepEqual(faults, []);
        });
      }
    });
  }
}
