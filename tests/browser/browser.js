// Drives Chromium over its debugging pipe with nothing but Node.

'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--disable-dev-shm-usage', '--hide-scrollbars', '--remote-debugging-pipe',
];

// A running browser. Messages of the protocol are JSON, each ended by a NUL byte.
class Browser {
  constructor() {
    this.profile = fs.mkdtempSync(path.join(os.tmpdir(), 'page-test-'));
    const chromium = process.env.CHROMIUM || 'chromium';
    this.process = spawn(chromium, [...FLAGS, `--user-data-dir=${this.profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    this.pending = new Map();
    this.pages = new Map();
    this.last = 0;
    let rest = '';
    this.process.stdio[4].setEncoding('utf8');
    this.process.stdio[4].on('data', (text) => {
      const parts = (rest + text).split('\0');
      rest = parts.pop();
      for (const part of parts) this.receive(JSON.parse(part));
    });
  }

  receive(message) {
    if (message.id) {
      const { resolve, reject } = this.pending.get(message.id);
      this.pending.delete(message.id);
      if (message.error) reject(new Error(message.error.message));
      else resolve(message.result);
      return;
    }
    this.pages.get(message.sessionId)?.receive(message);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = (this.last += 1);
    this.process.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
    return new Promise((resolve, reject) => this.pending.set(id, { resolve, reject }));
  }

  // A page of its own, that keeps what it asked for and what it said.
  async open({ width = 1280, height = 900, dark = false, scripts = true } = {}) {
    const { browserContextId } = await this.send('Target.createBrowserContext');
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', browserContextId });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, sessionId, browserContextId);
    this.pages.set(sessionId, page);
    for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await page.send(`${domain}.enable`);
    await page.send('Emulation.setDeviceMetricsOverride',
      { width, height, deviceScaleFactor: 1, mobile: false });
    await page.send('Emulation.setEmulatedMedia',
      { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
    await page.send('Emulation.setScriptExecutionDisabled', { value: !scripts });
    return page;
  }

  async close() {
    const ended = new Promise((resolve) => this.process.on('exit', resolve));
    this.send('Browser.close').catch(() => {});
    await ended;
    fs.rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Page {
  constructor(browser, session, context) {
    Object.assign(this, { browser, session, context, requests: [], said: [], waiting: [] });
  }

  receive({ method, params }) {
    if (method === 'Network.requestWillBeSent') this.requests.push(params.request.url);
    if (method === 'Runtime.consoleAPICalled') {
      this.said.push(params.args.map((arg) => arg.value ?? arg.description).join(' '));
    }
    if (method === 'Runtime.exceptionThrown') this.said.push(params.exceptionDetails.exception?.description);
    if (method === 'Log.entryAdded') this.said.push(params.entry.text);
    this.waiting = this.waiting.filter((wait) => wait.method !== method || wait.resolve(params));
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  event(method) {
    return new Promise((resolve) => this.waiting.push({ method, resolve }));
  }

  async goto(url) {
    const loaded = this.event('Page.loadEventFired');
    await this.send('Page.navigate', { url });
    await loaded;
  }

  // Runs a function in the page, also where the page's own scripts are off.
  async run(task, ...args) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression: `(${task})(...${JSON.stringify(args)})`,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description);
    return result.value;
  }

  async key(name, text = undefined) {
    const codes = {
      Tab: 9, Enter: 13, End: 35, Home: 36, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40,
    };
    const key = { key: name, code: name, windowsVirtualKeyCode: codes[name] ?? name.charCodeAt(0), text };
    await this.send('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', ...key });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...key });
  }

  async picture(file, whole = true) {
    const { data } = await this.send('Page.captureScreenshot', { captureBeyondViewport: whole });
    fs.writeFileSync(file, Buffer.from(data, 'base64'));
  }

  close() {
    return this.browser.send('Target.disposeBrowserContext', { browserContextId: this.context });
  }
}

module.exports = { Browser };
