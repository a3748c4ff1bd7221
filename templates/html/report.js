// The connector report: choices, charts, sums and the table of details.
//
// Every figure is read from the tables of the page, once; nothing is fetched and nothing is
// kept but the state in the address. Names come from mail traces and are hostile: they are
// set as text only, never as markup.
(function () {
  'use strict';

  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId('data').textContent);
  const words = data.words;
  const language = document.documentElement.lang;
  const ways = ['inbound', 'outbound'];
  const drawing = document.querySelector('svg').namespaceURI;

  // ---- Words and numbers -------------------------------------------------------------

  // A text with its {places} filled; what is filled in is not looked at again.
  const fill = (key, places) => words[key].replace(/\{(\w+)\}/g, (_, name) => places[name] ?? '');

  // Groups of three digits from five digits on.
  const number = (n) =>
    n < 10000 ? String(n) : String(n).replace(/\B(?=(\d{3})+$)/g, words['number.group']);

  const signed = (n) => (n > 0 ? '+' : n < 0 ? '\u2212' : '') + number(Math.abs(n));

  const percent = (tenths) =>
    fill('number.percent', { n: Math.floor(tenths / 10) + words['number.decimal'] + (tenths % 10) });

  const labelled = (label, text) => label + words['join.colon'] + text;

  const count = (n) =>
    fill(n === 1 ? 'widget.messages.one' : 'widget.messages.other', { n: number(n) });

  const date = (iso) => {
    const [year, month, day] = iso.split('-').map(Number);
    return fill('date.long', { day: day === 1 ? words['date.first_day'] : day, month: words['month.m' + month], year });
  };

  const range = (from, to) =>
    from === to ? date(from) : fill('date.range', { from: date(from), to: date(to) });

  // The day so many days later.
  const later = (iso, days) =>
    new Date(Date.parse(iso + 'T00:00Z') + days * 86400000).toISOString().slice(0, 10);

  const length = (from, to) => (Date.parse(to) - Date.parse(from)) / 86400000 + 1;

  // ---- What the tables say -----------------------------------------------------------

  const figure = (cell) => Number(cell.dataset.n ?? cell.textContent);

  const table = byId('rows');
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  // Keys of the columns of bands: those between the four texts and the volume.
  const bands = heads.slice(4, -1).map((head) => ({ key: head.dataset.key, name: head.textContent }));
  const add = (sum, counts) => counts.forEach((n, band) => { sum[band] += n; });
  const zero = () => bands.map(() => 0);
  const total = (counts) => counts.reduce((sum, n) => sum + n, 0);

  const rows = [...body.rows].map((row, index) => {
    const cells = [...row.cells];
    const texts = cells.slice(0, 4).map((cell) => cell.textContent);
    return {
      row,
      index,
      texts,
      date: texts[0],
      place: Number(row.dataset.c),
      counts: cells.slice(4, -1).map(figure),
      messages: figure(cells[cells.length - 1]),
      found: plain(texts.join('\n')),
    };
  });

  // Letters without case and accents, for searching.
  function plain(text) {
    return text.normalize('NFKD').replace(/\p{M}/gu, '').toLocaleLowerCase(language);
  }

  // Direction, choice and texts of each place, by its number.
  const options = [...byId('connector').options];
  const places = data.places.map(([way, option]) => ({ way, choice: options[option].value }));
  for (const { place, texts: [, label, kind, forced] } of rows) {
    Object.assign(places[place], { label, kind, forced });
  }

  // Sums of the period before, as the report holds them: per period, by place or direction.
  const before = data.periods.map((_, index) => {
    const found = document.querySelector(`table[data-lines=before][data-period="${index}"]`);
    if (!found) return null;
    return new Map([...found.tBodies[0].rows].map((row) =>
      [row.dataset.c, [...row.cells].slice(1, -1).map(figure)]));
  });

  const firstDay = byId('from').min;
  const lastDay = byId('from').max;
  const firstWithMail = rows.reduce((least, row) => (row.date < least ? row.date : least), '9999');
  const choices = new Set(options.map((option) => option.value));

  // ---- State, in the address ---------------------------------------------------------

  const usual = {
    view: 'flow', connector: '', from: firstDay, to: lastDay, sort: 'date', search: '',
  };
  let state = { ...usual };

  function read() {
    const given = new URLSearchParams(location.hash.slice(1));
    const next = { ...usual };
    for (const key of Object.keys(next)) if (given.has(key)) next[key] = given.get(key);
    const isDay = (day) => /^\d{4}-\d\d-\d\d$/.test(day) && day >= firstDay && day <= lastDay;
    if (!isDay(next.from)) next.from = firstDay;
    if (!isDay(next.to)) next.to = lastDay;
    if (next.from > next.to) [next.from, next.to] = [firstDay, lastDay];
    if (!choices.has(next.connector)) next.connector = '';
    if (next.view !== 'tls') next.view = 'flow';
    if (!heads.some((head) => head.dataset.key === next.sort.replace(/^-/, ''))) next.sort = 'date';
    return next;
  }

  function address(of) {
    const kept = Object.entries(of).filter(([key, value]) => value !== usual[key]);
    return '#' + new URLSearchParams(kept);
  }

  function change(what) {
    state = { ...state, ...what };
    // A page without an address of its own, as in a preview, has no history to write to.
    try { history.replaceState(null, '', address(state)); } catch { /* the state is not kept */ }
    draw();
  }

  // ---- Sums --------------------------------------------------------------------------

  const chosen = (place) => state.connector === '' || places[place].choice === state.connector;

  // Messages per band: by place, by direction, and by day and direction.
  function sums(from, to) {
    // The ways that the choice has at all; both where there is no mail.
    const some = ways.filter((way) => places.some((_, place) => chosen(place) && places[place].way === way));
    const found = {
      shown: some.length > 0 ? some : ways, places: new Map(), ways: new Map(), days: new Map(),
    };
    const put = (map, key, counts) => {
      if (!map.has(key)) map.set(key, zero());
      add(map.get(key), counts);
    };
    for (const { date: day, place, counts } of rows) {
      if (day < from || day > to || !chosen(place)) continue;
      const way = places[place].way;
      put(found.places, place, counts);
      put(found.ways, way, counts);
      put(found.days, day + way, counts);
    }
    return found;
  }

  // The same for the period before: as the report holds it where the days are those of one
  // of its periods, else from its days where it has them all.
  function sumsBefore() {
    const index = data.periods.findIndex((p) => p.from === state.from && p.to === state.to);
    const days = length(state.from, state.to);
    const [from, to] = [later(state.from, -days), later(state.from, -1)];
    if (index >= 0) {
      const lines = before[index];
      if (!lines) return null;
      const found = { from, to, places: new Map(), ways: new Map() };
      places.forEach((_, place) => {
        if (chosen(place)) found.places.set(place, lines.get(String(place)) ?? zero());
      });
      for (const way of ways) {
        const sum = zero();
        if (state.connector === '') add(sum, lines.get(way) ?? zero());
        else for (const [place, counts] of found.places) if (places[place].way === way) add(sum, counts);
        found.ways.set(way, sum);
      }
      return found;
    }
    if (from < firstWithMail || !whole(from, to)) return null;
    return { from, to, ...sums(from, to) };
  }

  // Whether each of these days is in a period of the report.
  function whole(from, to) {
    for (let day = from; day <= to; day = later(day, 1)) {
      if (!data.periods.some((p) => p.from <= day && day <= p.to)) return false;
    }
    return true;
  }

  // Shares in tenths of a percent by largest remainder, so that they add up to 100.0 %.
  function shares(counts) {
    const all = total(counts);
    if (all === 0) return counts.map(() => null);
    const tenths = counts.map((n) => Math.floor((n * 1000) / all));
    let left = 1000 - total(tenths);
    const order = counts.map((n, band) => [(n * 1000) % all, band]);
    order.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    for (const [, band] of order) if (left-- > 0) tenths[band] += 1;
    return tenths;
  }

  const of = (counts, key) => counts[bands.findIndex((band) => band.key === key)] ?? 0;
  const share = (part, all) => Math.floor((part * 2000 + all) / (2 * all));

  // What is certainly protected; "at least" where the traces do not say of all messages.
  function protection(counts) {
    const all = total(counts);
    if (all === 0) return '';
    const unknown = of(counts, 'unknown');
    const known = percent(share(all - of(counts, 'no_tls') - unknown, all));
    return unknown > 0 ? fill('widget.at_least', { share: known }) : known;
  }

  // ---- Elements ----------------------------------------------------------------------

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function shape(name, attributes, ...children) {
    const made = document.createElementNS(drawing, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const cell = (text) => element('td', {}, text);

  function numeric(n, under) {
    const made = element('td', { class: 'n', 'data-n': n }, number(n));
    if (under) made.append(element('small', {}, under));
    return made;
  }

  const head = (text, numbers) =>
    element('th', numbers ? { scope: 'col', class: 'n' } : { scope: 'col' }, text);

  // ---- Charts ------------------------------------------------------------------------

  // A round number at or above `most`.
  function roundUp(most) {
    for (let power = 1; ; power *= 10) {
      for (const factor of [1, 2, 3, 4, 5, 6, 8]) if (power * factor >= most) return power * factor;
    }
  }

  function days() {
    const all = [];
    for (let day = state.from; day <= state.to; day = later(day, 1)) all.push(day);
    return all;
  }

  function describe(day, counts) {
    if (data.without_rows.includes(day)) return labelled(date(day), words['html.no_rows']);
    const parts = bands.flatMap((band, index) =>
      counts[index] > 0 ? [labelled(band.name, number(counts[index]))] : []);
    if (parts.length === 0) return labelled(date(day), words['widget.no_mail']);
    return fill('chart.day', { date: date(day), messages: count(total(counts)), parts: parts.join(words['join.comma']) });
  }

  function drawCharts(found) {
    const all = days();
    const counts = (day, way) => found.days.get(day + way) ?? zero();
    const most = Math.max(...all.flatMap((day) => found.shown.map((way) => total(counts(day, way)))));
    for (const view of ['flow', 'tls']) {
      const hint = element('p', { class: 'readout soft', 'aria-hidden': 'true' }, words['html.hint']);
      const panels = found.shown.map((way) => element('div', { class: 'way', 'data-way': way },
        element('p', { class: 'way-name' }, words['direction.' + way]),
        plot(view, way, all, counts, roundUp(most), hint)));
      byId(view + '-plots').replaceChildren(...panels);
      byId(view + '-readout').replaceChildren(hint);
    }
  }

  // The bars of one way. Each day can be pointed at and focused; one of them is a tab stop,
  // arrow keys go on from there.
  function plot(view, way, all, counts, top, hint) {
    const step = 100 / Math.max(all.length, 7);
    const svg = shape('svg', {
      class: 'plot', height: 176, role: 'group',
      'aria-label': fill('chart.alt', {
        from: date(state.from), to: date(state.to),
        most: number(Math.max(...all.map((day) => total(counts(day, way))))),
      }),
    });
    for (const y of [10, 75, 140]) {
      svg.append(shape('line', { class: y === 140 ? 'axis' : 'grid', x1: 0, x2: '100%', y1: y, y2: y }));
    }
    let month = -100;
    all.forEach((day, index) => {
      const [x, ofDay] = [index * step, counts(day, way)];
      const bar = shape('g', {
        role: 'img', tabindex: index === 0 ? 0 : -1, 'data-date': day, 'aria-label': describe(day, ofDay),
      }, shape('rect', { class: 'hit', x: x + '%', y: 0, width: step + '%', height: 140 }));
      const parts = view === 'flow'
        ? [['volume', total(ofDay)]]
        : bands.map((band, at) => [band.key, ofDay[at]]).reverse();
      let y = 140;
      for (const [key, n] of parts) {
        if (n === 0) continue;
        const tall = (130 * n) / top;
        y -= tall;
        bar.append(shape('rect', {
          class: 'f-' + key, x: x + step * 0.12 + '%', y, width: step * 0.76 + '%', height: tall,
        }));
      }
      svg.append(bar);
      if (index % Math.ceil(all.length / (view === 'flow' ? 31 : 16)) === 0) {
        const minor = index % Math.ceil(all.length / 10) === 0 ? '' : 'minor';
        svg.append(shape('text', { class: minor, x: x + step / 2 + '%', y: 156 }, String(Number(day.slice(8)))));
      }
      if ((index === 0 || day.endsWith('-01')) && x - month >= 12) {
        svg.append(shape('text', { class: 'month', x: x + '%', y: 172 }, words['month.m' + Number(day.slice(5, 7))]));
        month = x;
      }
    });
    listen(svg, hint);
    const marks = [[14, top], [79, top / 2], [144, 0]].filter(([, n]) => Number.isInteger(n));
    const scale = shape('svg', { class: 'scale', height: 176, 'aria-hidden': 'true' },
      ...marks.map(([y, n]) => shape('text', { x: '100%', y }, number(n))));
    return element('div', { class: 'plot-row' }, scale, svg);
  }

  // The day that is pointed at or focused is written out below the chart. It is the label of
  // the bar too, so that a screen reader says it once.
  function listen(svg, hint) {
    const bars = [...svg.querySelectorAll('g')];
    const show = (event) => {
      const bar = event.target.closest('g');
      if (bar) hint.textContent = bar.getAttribute('aria-label');
    };
    svg.addEventListener('pointerover', show);
    svg.addEventListener('focusin', show);
    svg.addEventListener('keydown', (event) => {
      const at = bars.indexOf(event.target.closest('g'));
      const to = {
        ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1,
        Home: 0, End: bars.length - 1,
      }[event.key];
      if (!bars[to]) return;
      event.preventDefault();
      bars[at].setAttribute('tabindex', -1);
      bars[to].setAttribute('tabindex', 0);
      bars[to].focus();
    });
  }

  // The tables beside the charts.
  function drawDays(found) {
    const flow = [];
    const tls = [];
    for (const day of days()) {
      const first = () => element('th', { scope: 'row' }, day,
        ...(data.without_rows.includes(day) ? [element('small', {}, words['html.no_rows'])] : []));
      const counts = ways.map((way) => found.days.get(day + way) ?? zero());
      flow.push(element('tr', {}, first(), ...counts.map((one) => numeric(total(one)))));
      counts.forEach((one, index) => {
        if (!found.shown.includes(ways[index])) return;
        tls.push(element('tr', {}, first(), cell(words['direction.' + ways[index]]),
          ...one.map((n) => numeric(n)), numeric(total(one))));
      });
    }
    byId('flow-days').tBodies[0].replaceChildren(...flow);
    byId('tls-days').tBodies[0].replaceChildren(...tls);
  }

  // ---- The table of connectors -------------------------------------------------------

  function drawConnectors(found) {
    const earlier = sumsBefore();
    const flow = state.view === 'flow';
    const columns = [head(words['html.place']), head(words['html.type']), head(words['column.forced_tls'])];
    if (flow) columns.push(head(words['html.volume'], true), head(words['html.protected'], true));
    else columns.push(...bands.map((band) => head(band.name, true)), head(words['html.volume'], true));
    if (earlier && flow) columns.push(head(words['html.before'], true), head(words['html.change'], true));
    if (earlier && !flow) columns.push(head(words['html.no_tls_before'], true));

    const line = (key, texts, counts, previous) => {
      const all = total(counts);
      const row = element('tr', { 'data-c': key }, element('th', { scope: 'row' }, texts[0]),
        cell(texts[1]), cell(texts[2]));
      if (flow) row.append(numeric(all), element('td', { class: 'n' }, protection(counts)));
      else {
        const tenths = shares(counts);
        row.append(...counts.map((n, band) => numeric(n, tenths[band] === null ? '' : percent(tenths[band]))),
          numeric(all));
      }
      if (previous && flow) {
        row.append(numeric(total(previous)), element('td', { class: 'n' }, signed(all - total(previous))));
      } else if (previous) {
        const [part, whole] = [of(previous, 'no_tls'), total(previous)];
        row.append(numeric(part, whole > 0 ? percent(share(part, whole)) : ''));
      }
      return row;
    };
    const lines = [...found.places.keys()].sort((a, b) => a - b).map((place) => line(place,
      [places[place].label, places[place].kind, places[place].forced],
      found.places.get(place), earlier && (earlier.places.get(place) ?? zero())));
    for (const way of state.connector === '' ? ways : []) {
      const label = fill('insights.with', {
        direction: words['direction.' + way], connector: words['connectors.total'],
      });
      const row = line(way, [label, '', ''], found.ways.get(way) ?? zero(),
        earlier && (earlier.ways.get(way) ?? zero()));
      row.className = 'total';
      lines.push(row);
    }
    const caption = earlier
      ? fill('html.compared', { dates: range(earlier.from, earlier.to) })
      : words['html.no_before'];
    const made = element('table', { id: 'sums', 'data-lines': 'now' },
      element('caption', {}, caption),
      element('thead', {}, element('tr', {}, ...columns)),
      element('tbody', {}, ...lines));
    byId('chosen').replaceChildren(made);
  }

  // ---- The table of details ----------------------------------------------------------

  const textKeys = ['date', 'connector', 'type', 'forced_tls'];
  let sorted = 'date';
  let shown = rows;

  function sort() {
    if (state.sort === sorted) return;
    sorted = state.sort;
    const key = sorted.replace(/^-/, '');
    const sign = sorted === key ? 1 : -1;
    const text = textKeys.indexOf(key);
    const band = bands.findIndex((one) => one.key === key);
    const value = (row) => (band >= 0 ? row.counts[band] : row.messages);
    const compare = new Intl.Collator(language, { numeric: true }).compare;
    // Equal rows stay in the order of days and connectors.
    rows.sort((a, b) => sign * (text >= 0 ? compare(a.texts[text], b.texts[text]) : value(a) - value(b))
      || a.index - b.index);
    body.append(...rows.map((row) => row.row));
  }

  function drawDetails() {
    sort();
    const search = plain(state.search.trim());
    const sum = zero();
    shown = [];
    for (const row of rows) {
      const here = row.date >= state.from && row.date <= state.to && chosen(row.place)
        && row.found.includes(search);
      row.row.hidden = !here;
      if (here) {
        add(sum, row.counts);
        shown.push(row);
      }
    }
    byId('shown').textContent =
      fill('html.shown', { shown: number(shown.length), all: number(rows.length) });
    const foot = element('tr', {}, element('th', { scope: 'row', colspan: 4 }, words['html.sum']),
      ...sum.map((n) => numeric(n)), numeric(total(sum)));
    (table.tFoot ?? table.createTFoot()).replaceChildren(foot);
    for (const one of heads) {
      const key = one.dataset.key;
      if (state.sort === key) one.setAttribute('aria-sort', 'ascending');
      else if (state.sort === '-' + key) one.setAttribute('aria-sort', 'descending');
      else one.removeAttribute('aria-sort');
    }
  }

  // A field as src/render/csv.rs writes it: what a spreadsheet would take for a formula gets
  // a leading apostrophe.
  function quoted(field) {
    const formula = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(field);
    const safe = formula ? `'${field}` : field;
    return formula || /[,"\n\r;]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  function csv() {
    const columns = [words['column.date'], words['column.direction'], words['column.connector'],
      ...heads.slice(2).map((one) => one.textContent)];
    const lines = shown.map(({ texts, place, counts, messages }) => {
      const { way, choice } = places[place];
      const name = choice === 'none' ? words['connector.none'] : choice.replace(/^name:/, '');
      return [texts[0], words['direction.' + way], name, texts[2], texts[3], ...counts, messages];
    });
    return [columns, ...lines].map((line) => line.map((field) => quoted(String(field))).join(',') + '\r\n').join('');
  }

  function download() {
    const url = URL.createObjectURL(new Blob([csv()], { type: 'text/csv;charset=utf-8' }));
    element('a', { href: url, download: `daily-${state.from}-${state.to}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  }

  // ---- Everything together -----------------------------------------------------------

  function draw() {
    const found = sums(state.from, state.to);
    byId('connector').value = state.connector;
    // A field that is being typed into is not written to: that would disturb the typing.
    for (const id of ['from', 'to', 'search']) {
      if (byId(id) !== document.activeElement) byId(id).value = state[id];
    }
    fault('');
    for (const button of byId('presets').children) {
      button.setAttribute('aria-pressed',
        button.dataset.from === state.from && button.dataset.to === state.to);
    }
    for (const tab of byId('tabs').children) {
      const here = tab.dataset.view === state.view;
      tab.setAttribute('aria-selected', here);
      tab.tabIndex = here ? 0 : -1;
      byId(tab.dataset.view).hidden = !here;
      if (here) byId('panel').setAttribute('aria-labelledby', tab.id);
    }
    const said = found.shown.map((way) => {
      const counts = found.ways.get(way) ?? zero();
      if (total(counts) === 0) return labelled(words['direction.' + way], words['widget.no_mail']);
      return fill('html.way', {
        direction: words['direction.' + way], messages: count(total(counts)), share: protection(counts),
      });
    });
    const what = byId('connector').selectedOptions[0].textContent;
    byId('summary').replaceChildren(
      element('strong', {}, what + words['join.comma'] + range(state.from, state.to)),
      ...said.map((text) => element('span', {}, text)),
      ...(whole(state.from, state.to) ? [] : [element('span', {}, words['html.outside'])]));
    drawCharts(found);
    drawDays(found);
    drawConnectors(found);
    drawDetails();
  }

  function fault(text) {
    byId('order').textContent = text;
    for (const id of ['from', 'to']) {
      if (text) byId(id).setAttribute('aria-invalid', 'true');
      else byId(id).removeAttribute('aria-invalid');
    }
  }

  // A date that is emptied is the end of the range. Figures stay while the order is wrong,
  // while a date is half typed, or as long as it is outside the report (the year 0020 …).
  function dates() {
    if (byId('from').validity.badInput || byId('to').validity.badInput) return;
    const from = byId('from').value || firstDay;
    const to = byId('to').value || lastDay;
    if (from > to) fault(words['html.order']);
    else if (from >= firstDay && to <= lastDay) change({ from, to });
  }

  // What is no day of the report does not stay in a field that is left.
  function leave({ target }) {
    if (target.value < firstDay || target.value > lastDay) {
      target.value = state[target.id];
      dates();
    }
  }

  function start() {
    document.documentElement.classList.add('scripted');
    for (const id of ['controls', 'tabs', 'tools']) byId(id).hidden = false;
    for (const part of document.querySelectorAll('.of-period')) part.hidden = true;
    byId('chosen').hidden = false;
    byId('panel').setAttribute('role', 'tabpanel');

    byId('connector').addEventListener('change', (event) => change({ connector: event.target.value }));
    for (const id of ['from', 'to']) {
      byId(id).addEventListener('change', dates);
      byId(id).addEventListener('blur', leave);
    }
    const spans = [...data.periods];
    if (!spans.some((p) => p.from === firstDay && p.to === lastDay)) {
      spans.push({ title: words['html.all_days'], from: firstDay, to: lastDay });
    }
    for (const { title, from, to } of spans) {
      const button = element('button', { type: 'button', 'data-from': from, 'data-to': to }, title);
      button.addEventListener('click', () => change({ from, to }));
      byId('presets').append(button);
    }

    const tabs = [...byId('tabs').children];
    tabs.forEach((tab, index) => {
      tab.addEventListener('click', () => change({ view: tab.dataset.view }));
      tab.addEventListener('keydown', (event) => {
        const to = {
          ArrowLeft: index - 1 + tabs.length, ArrowRight: index + 1, Home: 0, End: tabs.length - 1,
        }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        tabs[to % tabs.length].click();
        tabs[to % tabs.length].focus();
      });
    });

    for (const one of heads) {
      const button = element('button', { type: 'button' }, one.textContent);
      button.addEventListener('click', () => {
        const key = one.dataset.key;
        change({ sort: state.sort === key ? '-' + key : key });
      });
      one.replaceChildren(button);
    }
    byId('search').addEventListener('input', (event) => change({ search: event.target.value }));
    byId('download').addEventListener('click', download);

    // From a matter that needs attention to its connector.
    for (const matter of document.querySelectorAll('[data-choice]')) {
      const connector = options[matter.dataset.choice].value;
      if (connector === '') continue;
      const place = matter.querySelector('strong');
      const link = element('a', { href: address({ ...usual, view: 'tls', connector }) }, place.textContent);
      link.title = words['html.look'];
      link.addEventListener('click', (event) => {
        event.preventDefault();
        change({ view: 'tls', connector });
        byId('connectors').scrollIntoView();
        byId('connector').focus({ preventScroll: true });
      });
      place.replaceChildren(link);
    }

    // The address changes by hand, or to a part of the page, which keeps the choices.
    addEventListener('hashchange', () => {
      if (location.hash.includes('=')) {
        state = read();
        draw();
      }
    });
    state = read();
    draw();
    if (location.hash.includes('=')) byId('connectors').scrollIntoView();
  }

  start();
})();
