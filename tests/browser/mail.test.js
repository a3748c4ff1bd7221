// The mail as the programs of its readers take it: what Outlook, Gmail and Apple Mail do not
// support is not in it, it is not cut off, and its text says the same as its HTML.
//
// What they support is known from caniemail.com. INTRANSIT names the program (default:
// target/debug/intransit).

'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');

const ROOT = path.resolve(__dirname, '../..');
const PROGRAM = process.env.INTRANSIT || path.join(ROOT, 'target/debug/intransit');
const LANGUAGES = ['en', 'fr', 'pt-BR', 'de', 'es'];
// Gmail shows about 100 kB; src/render/mail.rs keeps this.
const MOST = 80_000;
// Without Windows Mail, which its maker has withdrawn.
const CLIENTS = [
  'outlook.windows', 'outlook.macos', 'outlook.outlook-com', 'outlook.ios', 'outlook.android',
  'gmail.*', 'apple-mail.*',
];

// What some do not know, where, and why the mail is good without.
const DISPENSABLE = {
  '<style> element': {
    in: ['gmail.mobile-webmail'],
    reason: 'it holds nothing but the colours for dark ground',
  },
  '@media': {
    in: ['gmail.mobile-webmail', 'outlook.windows'],
    reason: 'it asks for dark ground only; the light mail is whole',
  },
  'color-scheme meta tag': {
    in: ['gmail.*', 'outlook.*', 'apple-mail.ios'],
    reason: 'a hint: without it the mail is light, or the program inverts it itself',
  },
  'color-scheme CSS property': {
    in: ['gmail.*', 'outlook.*'],
    reason: 'the same hint',
  },
  '<body> element': {
    in: ['outlook.macos'],
    reason: 'font, colours and spaces stand in table cells',
  },
  'white-space': {
    in: ['outlook.windows'],
    reason: 'a legend that breaks within an entry can still be read',
  },
};

// What some know in part, and what keeps the mail within that part.
const within = (names) => (tag) => names.includes(tag.name);
const none = (value) => /^0(px)?( 0(px)?)*$/.test(value);
const PARTIAL = {
  '<style> element': () => true, // in the head, before what it is for; see also above
  '@media': ({ html }) => [...html.matchAll(/@media[^{]*/g)].every(([rule]) => rule.trim() === '@media (prefers-color-scheme: dark)'),
  '<body> element': () => true, // see above
  '<ul>, <ol> and <dl>': ({ tags }) => !tags.some((tag) => tag.name === 'ol' || 'reversed' in tag.attributes),
  'margin': ({ styled }) => styled('margin').every(({ tag, value }) =>
    !/-\d|auto/.test(value) && (none(value) || !within(['span', 'body'])(tag))),
  'padding': ({ styled }) => styled('padding').every(({ tag, value }) => none(value) || within(['td', 'th'])(tag)),
  'border': ({ styled }) => styled(/^border-(top|right|bottom|left)$|^border$/).every(({ tag, value }) =>
    within(['td', 'th'])(tag) && Number(/^(\d+)px /.exec(value)[1]) <= 8),
  'background': ({ styled }) => styled('background').every(({ value }) => /^#[0-9a-f]{6}$/.test(value)),
  'font-size': ({ styled }) => styled('font-size').every(({ value }) => /^\d+px$/.test(value)),
  // Where the height of a line matters, Outlook is told to keep to it.
  'line-height': ({ tags }) => tags.every(({ style }) => !/px$/.test(style['line-height'] ?? '')
    || style['mso-line-height-rule'] === 'exactly'),
  'max-width': ({ styled }) => styled('max-width').every(({ tag }) => within(['table'])(tag) && tag.attributes.width),
  'width property': ({ styled }) => styled('width').every(({ tag }) => within(['table', 'td'])(tag)),
  'height property': ({ styled }) => styled('height').every(({ tag }) => within(['td'])(tag)),
  'width attribute': ({ tags }) => tags.every((tag) => !('width' in tag.attributes) || within(['table', 'td'])(tag)),
  'height attribute': ({ tags }) => tags.every((tag) => !('height' in tag.attributes) || within(['td'])(tag)),
  'align attribute': ({ tags }) => tags.every((tag) => !('align' in tag.attributes) || within(['td', 'th'])(tag)),
  'text-align': ({ styled }) => styled('text-align').every(({ value }) => ['left', 'right'].includes(value)),
  'white-space': ({ styled }) => styled('white-space').every(({ value }) => value === 'nowrap'),
  // A long name is broken where it must: no program shows it as wide as it is.
  'word-break': ({ styled }) => styled('word-break').every(({ value }) => value === 'break-word'),
};

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mail-test-'));
let mails;
let caniemail;

after(() => fs.rmSync(folder, { recursive: true, force: true }));

// Runs a schedule that mails every language, with a colour, and gives what was sent.
function run(name, traces, nominal) {
  const home = path.join(folder, name);
  fs.mkdirSync(path.join(home, 'schedules'), { recursive: true });
  fs.writeFileSync(path.join(home, 'intransit.toml'),
    '[report]\norganisation = "Contoso"\n\n[branding]\naccent = "#0f6cbd"\n\n[insights]\nmin_messages = 1\n');
  const readers = LANGUAGES.map((language) =>
    `[[recipient]]\naddress = "${language.toLowerCase()}@contoso.example"\nlanguage = "${language}"\n`);
  fs.writeFileSync(path.join(home, 'schedules/weekly.toml'),
    `cron = "0 7 * * *"\ntimezone = "UTC"\nperiods = ["week", "30d"]\n\n[[source]]\npath = ${JSON.stringify(traces)}\n\n${readers.join('\n')}`);
  execFileSync(PROGRAM, ['--now', `${nominal}:00Z`, 'run', 'weekly', '--nominal', nominal],
    { cwd: home, stdio: ['ignore', 'ignore', 'pipe'] });
  const outbox = path.join(home, 'outbox');
  return fs.readdirSync(outbox).map((file) => read(name, fs.readFileSync(path.join(outbox, file), 'utf8')));
}

// The two bodies of a message without attachments.
function read(name, message) {
  const [head, ...rest] = message.split('\r\n\r\n');
  const header = (text, field) => new RegExp(`^${field}:\\s*([^]*?)(?=\\r\\n\\S|$)`, 'mi').exec(text)[1];
  const boundary = /boundary="([^"]+)"/.exec(head)[1];
  const parts = rest.join('\r\n\r\n').split(`--${boundary}`).slice(1, -1).map((part) => {
    const [partHead, ...body] = part.split('\r\n\r\n');
    assert.match(partHead, /Content-Transfer-Encoding: quoted-printable/i);
    return decoded(body.join('\r\n\r\n'));
  });
  assert.equal(parts.length, 2, 'text and HTML');
  const language = header(head, 'To').split('@')[0];
  return { name: `${name}, ${language}`, text: parts[0], html: parts[1] };
}

function decoded(printable) {
  const bytes = printable.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g,
    (_, code) => String.fromCharCode(parseInt(code, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

// A connector report of November: a hundred connectors, each with something to say.
function table() {
  const rows = ['Date,Connector direction and name,No TLS,TLS 1.0,TLS 1.2,Volume'];
  for (let day = 1; day <= 30; day += 1) {
    for (let n = 0; n < 100; n += 1) {
      const name = `Partner ${String(n).padStart(3, '0')} ${'<b>&"long"'.repeat(n % 20)}`;
      rows.push(`2026-11-${String(day).padStart(2, '0')},"From partner - ${name.replaceAll('"', '""')}",60,30,10,${100 * (day * 1000 + n)}`);
    }
  }
  const file = path.join(folder, 'table.csv');
  fs.writeFileSync(file, rows.join('\n') + '\n');
  return file;
}

// Every tag with its attributes and its style.
function tagsOf(html) {
  const body = html.replace(/<style>[^]*?<\/style>/, '');
  return [...body.matchAll(/<(\w+)((?:\s+[\w-]+="[^"]*")*)\s*>/g)].map(([, name, rest]) => {
    const attributes = Object.fromEntries([...rest.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
    const style = Object.fromEntries((attributes.style ?? '').split(';').filter(Boolean)
      .map((declaration) => declaration.split(':').map((part) => part.trim())));
    return { name, attributes, style };
  });
}

function looks(html) {
  const tags = tagsOf(html);
  const styled = (property) => tags.flatMap((tag) => Object.entries(tag.style)
    .filter(([key]) => (property instanceof RegExp ? property.test(key) : key === property))
    .map(([, value]) => ({ tag, value })));
  return { html, tags, styled };
}

// Issues of one severity: each feature with the programs that have it.
function issues(found) {
  const by = new Map();
  for (const [client, list] of found) {
    for (const { title } of list) by.set(title, (by.get(title) ?? new Set()).add(client));
  }
  return [...by].map(([title, clients]) => [title.trim(), [...clients].sort()]);
}

const covers = (globs, client) => globs.some((glob) => glob === client
  || (glob.endsWith('.*') && client.startsWith(glob.slice(0, -1))));

// What of a mail is not supported, or in a way that is not.
function faults(html) {
  const { issues: found } = caniemail({ clients: CLIENTS, html });
  const all = [];
  for (const [title, clients] of issues(found.errors)) {
    const known = DISPENSABLE[title];
    const others = clients.filter((client) => !known || !covers(known.in, client));
    if (others.length) all.push(`${title}: not supported by ${others.join(', ')}`);
  }
  for (const [title, clients] of issues(found.warnings)) {
    const holds = PARTIAL[title];
    if (!holds || !holds(looks(html))) all.push(`${title}: in part not supported by ${clients.join(', ')}`);
  }
  return all;
}

// The digits that a reader sees, in their order.
function figures(text) {
  return text.match(/\d+/g);
}

function visible(html) {
  const body = html.replace(/<head>[^]*?<\/head>/, '').replace(/<[^>]*>/g, ' ');
  return body.replace(/&#(x?)([0-9a-f]+);/gi, (_, hex, code) => String.fromCodePoint(parseInt(code, hex ? 16 : 10)))
    .replace(/&(lt|gt|quot|amp);/g, (_, name) => ({ lt: '<', gt: '>', quot: '"', amp: '&' })[name]);
}

before(async () => {
  ({ caniemail } = await import('caniemail'));
  mails = [
    ...run('demo', path.join(ROOT, 'tests/data/demo/*.csv*'), '2026-11-16T07:00'),
    ...run('large', table(), '2026-12-01T07:00'),
  ];
});

test('every language has a mail, of a few and of a hundred connectors', () => {
  assert.equal(mails.length, 2 * LANGUAGES.length);
  for (const { name, html } of mails) assert.match(html, /<\/html>\s*$/, name);
});

test('Outlook, Gmail and Apple Mail support what is in a mail', () => {
  for (const { name, html } of mails) assert.deepEqual(faults(html), [], name);
});

test('nothing is allowed that no mail needs', () => {
  const seen = { errors: new Set(), warnings: new Set() };
  for (const { html } of mails) {
    const { issues: found } = caniemail({ clients: CLIENTS, html });
    for (const kind of ['errors', 'warnings']) issues(found[kind]).forEach(([title]) => seen[kind].add(title));
  }
  assert.deepEqual(Object.keys(DISPENSABLE).filter((title) => !seen.errors.has(title)), []);
  assert.deepEqual(Object.keys(PARTIAL).filter((title) => !seen.warnings.has(title)), []);
});

test('the check finds what those programs do not support', () => {
  const { html } = mails[0];
  const cases = [
    ['<p style="display:flex">x</p>', 'display:flex'],
    ['<p style="border-radius:4px">x</p>', 'border-radius'],
    ['<p style="padding:4px">x</p>', 'padding'],
    ['<div style="margin:-4px">x</div>', 'margin'],
    ['<td style="background:url(x.png)">x</td>', 'background'],
    ['<video src="x"></video>', '<video>'],
    ['<td style="font-size:2rem">x</td>', 'font-size'],
    ['<td style="border-left:9px solid #000000">x</td>', 'border'],
    ['<td style="line-height:14px">x</td>', 'line-height'],
  ];
  for (const [bad, what] of cases) {
    const found = faults(html.replace('</body>', `${bad}</body>`));
    assert.ok(found.some((fault) => fault.includes(what)), `${bad}: ${found}`);
  }
});

test('no mail is cut off, and none loads anything', () => {
  for (const { name, html } of mails) {
    assert.ok(Buffer.byteLength(html) < MOST, `${name}: ${Buffer.byteLength(html)} bytes`);
    assert.doesNotMatch(html, /<(img|link|script|iframe)\b|https?:|url\(|@import/i, name);
  }
});

test('text and HTML say the same', () => {
  for (const { name, text, html } of mails) {
    assert.ok(text.trim().split('\n').length > 20, name);
    assert.deepEqual(figures(text), figures(visible(html)), name);
  }
});
