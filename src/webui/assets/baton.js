// SPDX-License-Identifier: Apache-2.0
// The page. Everything a server said is put in as text, never as markup: elements are made by h() only.
'use strict';

const page = document.getElementById('page');
const seconds = n => n === null || n === undefined ? '' : n < 120 ? n + ' s' : n < 7200 ? Math.round(n / 60) + ' min' : Math.round(n / 3600) + ' h';
const plural = (n, word) => n + ' ' + word + (n === 1 ? '' : 's');
const time = ms => ms ? new Date(ms).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' }) : '';

const exact = ms => new Date(ms).toLocaleString(undefined, { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false });

/** An element: h('a', {href: '...'}, 'text', child, [children]). Text stays text. */
function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'href' && !/^(\/|https?:\/\/)/.test(value)) continue; // no javascript: from a hostile name
    element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

const pill = (text, kind, title) => h('span', { class: 'pill ' + (kind || ''), title }, text);
const link = (path, ...children) => h('a', { href: path, 'data-link': true }, ...children);
const list = items => items && items.length ? h('ul', { class: 'plain' }, items.map(item => h('li', {}, item))) : null;
const clusterPath = c => '/web/cluster/' + encodeURIComponent(c.name);

async function get(path) {
  const answer = await fetch(path, { headers: { Accept: 'application/json' } });
  const value = await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(value && value.Message || answer.status + ' ' + answer.statusText);
  return value;
}

// ---- overview

const rank = { critical: 0, warning: 1, ok: 2 };
const cardsShown = 300; // a browser is busy for seconds with some thousands

function clusterCard(c) {
  const dots = c.servers.slice(0, 60).map(s => h('span', { class: 'dot ' + s.state + (s.primary ? ' primary' : ''), title: s.id + (s.summary ? ': ' + s.summary : '') }));
  return h('a', { class: 'card cluster ' + c.state, href: clusterPath(c), 'data-link': true },
    h('div', { class: 'row' }, h('span', { class: 'name' }, c.alias || c.name), c.recovering ? pill('recovering', 'critical pulse') : null),
    h('div', { class: 'sub' }, c.alias && c.alias !== c.name ? 'primary ' + c.name : c.primary ? 'primary ' + c.primary : 'no primary'),
    h('div', { class: 'dots' }, dots, c.servers.length > 60 ? h('span', { class: 'quiet' }, '+' + (c.servers.length - 60)) : null),
    h('div', { class: 'row sub' }, plural(c.servers.length, 'server'), c.max_lag_seconds ? '· lag ' + seconds(c.max_lag_seconds) : null),
    c.summary ? h('div', { class: 'sub' }, c.summary) : null);
}

async function overview() {
  const clusters = await get('/api/v1/clusters');
  clusters.sort((a, b) => rank[a.state] - rank[b.state] || (a.alias || a.name).localeCompare(b.alias || b.name));
  const bad = clusters.filter(c => c.state === 'critical').length, odd = clusters.filter(c => c.state === 'warning').length;
  const servers = clusters.reduce((n, c) => n + c.servers.length, 0);
  const wanted = search.value.trim().toLowerCase();
  const shown = wanted ? clusters.filter(c => (c.name + ' ' + c.alias + ' ' + c.servers.map(s => s.id).join(' ')).toLowerCase().includes(wanted)) : clusters;
  const out = [h('div', { class: 'row' }, h('h1', {}, 'Clusters'),
    pill(plural(clusters.length, 'cluster')), pill(plural(servers, 'server')),
    bad ? pill(bad + ' failing', 'critical') : null, odd ? pill(odd + ' with warnings', 'warning') : null,
    !bad && !odd && clusters.length ? pill('all healthy', 'ok') : null), h('p', {})];
  if (!clusters.length) {
    out.push(h('div', { class: 'card' }, h('b', {}, 'Nothing is observed yet.'),
      h('p', {}, 'Name one server of each topology under ', h('code', {}, 'topology.seeds'), ', or call ', h('code', {}, '/api/discover/HOST/PORT'), '; the others are found from there.')));
  } else if (!shown.length) {
    out.push(h('p', { class: 'quiet' }, 'No cluster or server matches “' + wanted + '”.'));
  }
  out.push(h('div', { class: 'grid' }, shown.slice(0, cardsShown).map(clusterCard)));
  if (shown.length > cardsShown) out.push(h('p', { class: 'quiet' }, 'The ' + cardsShown + ' that need most attention; ' + (shown.length - cardsShown) + ' more are found by the search.'));
  const recoveries = (await get('/api/v1/recoveries')).slice(0, 5);
  if (recoveries.length) out.push(h('h2', {}, 'Last recoveries'), recoveryTable(recoveries));
  return out;
}

// ---- one cluster

function serverCard(s, wanted) {
  const tags = [
    s.role === 'primary' ? pill('primary', 'info') : s.role === 'intermediate' ? pill('intermediate source') : s.role === 'deposed' ? pill('deposed', 'warning') : s.role === 'replica' ? pill('replica') : s.role ? pill(s.role) : null,
    !s.valid ? pill('unreachable', 'critical', s.error) : s.read_only ? pill('read-only') : pill('writable', s.role === 'primary' ? 'ok' : 'critical'),
    s.valid && s.lag_seconds !== null && s.source ? pill('lag ' + seconds(s.lag_seconds), s.lag_seconds > 10 ? 'warning' : 'ok') : null,
    s.semi_sync ? pill('semi-sync', 'info') : null,
    s.downtimed ? pill('downtime', 'warning', s.downtime_reason) : null,
    s.promotion_rule && s.promotion_rule !== 'neutral' ? pill(s.promotion_rule.replace('_', ' ')) : null];
  return h('div', { class: 'card server ' + s.state + (wanted && s.id.toLowerCase().includes(wanted) ? ' hit' : '') },
    h('div', { class: 'who' }, h('div', { class: 'name' }, s.alias ? s.alias + ' ' : '', h('span', { class: s.alias ? 'quiet' : '' }, s.id)),
      h('div', { class: 'facts' }, [s.flavor + ' ' + (/^[0-9.]+/.exec(s.version) || [s.version])[0], s.data_center, s.gtid ? 'GTID' : s.source ? 'no GTID' : null, s.binlog_format].filter(Boolean).join(' · ')),
      (s.problems || []).map(p => h('div', { class: 'facts', style: null }, '⚠ ' + p)),
      (s.notes || []).map(p => h('div', { class: 'facts', style: null }, 'ℹ ' + p))),
    h('div', { class: 'tags' }, tags, serverOrders(s)));
}

function tree(members, wanted) {
  const ids = new Set(members.map(m => m.id)), children = new Map(), roots = [], seen = new Set();
  for (const m of members) {
    if (m.source && ids.has(m.source) && m.source !== m.id) {
      if (!children.has(m.source)) children.set(m.source, []);
      children.get(m.source).push(m);
    } else roots.push(m);
  }
  if (!roots.length && members.length) roots.push(members.find(m => m.role === 'primary') || members[0]); // a ring
  const node = m => {
    seen.add(m.id);
    const below = (children.get(m.id) || []).filter(c => !seen.has(c.id));
    below.forEach(c => seen.add(c.id));
    return h('li', {}, serverCard(m, wanted), below.length ? h('ul', {}, below.map(node)) : null);
  };
  const top = roots.map(node);
  const rest = members.filter(m => !seen.has(m.id)).map(node);
  return h('ul', { class: 'tree' }, top, rest);
}

const ms = n => n < 1000 ? n + ' ms' : n < 120000 ? (n / 1000).toFixed(n < 10000 ? 1 : 0) + ' s' : seconds(Math.round(n / 1000));

/** One bar, cut in proportion to the numbers; drawn, since the page allows no styles in elements. */
function bars(numbers) {
  const svg = name => document.createElementNS('http://www.w3.org/2000/svg', name), whole = numbers.reduce((a, b) => a + b, 0) || 1;
  const drawing = svg('svg');
  for (const [name, value] of Object.entries({ class: 'bars', viewBox: '0 0 100 1', preserveAspectRatio: 'none', 'aria-hidden': 'true' })) drawing.setAttribute(name, value);
  let at = 0;
  numbers.forEach((n, index) => {
    const part = svg('rect');
    for (const [name, value] of Object.entries({ class: 'bar' + index % 5, x: at, y: 0, width: 100 * n / whole, height: 1 })) part.setAttribute(name, value);
    at += 100 * n / whole;
    drawing.append(part);
  });
  return drawing;
}

/** How long it would take, as a bar of its parts and a list. */
function durationBar(f) {
  const parts = f.duration || [];
  if (!parts.length) return null;
  return [h('h2', {}, 'It would take about ' + ms(f.duration_ms)),
    bars(parts.map(p => p.ms)),
    h('table', { class: 'narrow' }, parts.map((p, n) => h('tr', {}, h('td', {}, p.ms ? h('span', { class: 'key bar' + n % 5 }) : null), h('td', {}, p.what, h('div', { class: 'quiet' }, p.basis)), h('td', { class: 'number' }, p.ms ? ms(p.ms) : ''))))];
}

function explainCard(e) {
  const f = e.forecast || {}, chosen = f.successor, blockers = f.blockers || [], lost = f.lost || [];
  const failing = (e.findings || []).some(x => (x.actionable || (x.vetoes || []).length) && x.subject === e.primary);
  return h('div', { class: 'card' },
    h('div', { class: 'row' }, h('b', {}, failing ? 'As things are' : 'If the primary died now'), h('span', { class: 'right' }, e.mode === 'shadow' ? pill('shadow', 'warning', 'reports only') : blockers.length ? pill('blocked', 'warning') : pill('automatic', 'ok'))),
    h('p', {}, !chosen ? 'Nobody could be promoted.' : blockers.length ? ['By itself nothing would be done; ' + (e.mode === 'shadow' ? 'in active mode ' : 'by order '), h('b', {}, chosen), ' would be promoted.'] : [h('b', {}, chosen), ' would be promoted.']),
    blockers.length ? h('div', { class: 'note warning' }, blockers.map(b => h('div', {}, b))) : null,
    f.loss ? [h('h2', {}, 'What could be lost'), h('div', {}, f.loss)] : null,
    lost.length ? [h('h2', {}, 'Who would be lost'), h('table', { class: 'narrow' }, lost.map(l => h('tr', {}, h('td', {}, l.id, h('div', { class: 'quiet' }, l.reason)))))] : null,
    chosen ? durationBar(f) : null,
    (f.candidates || []).length ? [h('h2', {}, 'Candidates'), h('table', { class: 'narrow' }, f.candidates.map(c => h('tr', {},
      h('td', {}, c.rank || '–'), h('td', {}, h('div', { class: c.rank === 1 ? '' : 'quiet' }, c.id), h('div', { class: 'quiet' }, c.reason)))))] : null,
    h('h2', {}, 'What this rests on'), list(e.evidence));
}

const valueText = v => Array.isArray(v) ? v.length ? v.join(', ') : 'none' : v === null || v === undefined || v === '' ? '–' : String(v);

function policyCard(p) {
  const from = p.source === 'stored' ? link('/web/policy', 'version ' + p.version) : link('/web/policy', 'the configuration file');
  if (!p.settings.length) return h('div', { class: 'card quiet' }, 'As configured; no rule of ', from, ' changes anything here.');
  return h('div', { class: 'card' }, h('div', { class: 'quiet' }, 'Set by rules of ', from),
    h('table', { class: 'narrow' }, p.settings.map(s => h('tr', {}, h('td', {}, h('span', { class: 'mono' }, s.key), h('div', { class: 'quiet' }, s.set_by)),
      h('td', {}, h('b', {}, valueText(s.value)), h('div', { class: 'quiet' }, 'else ' + valueText(s.configured)))))));
}

// ---- timeline

const wording = { taken: 'recovery begins', done: 'recovered', role: 'new primary', node: 'node', over: 'over' };
const kindOf = e => e.kind === 'running' ? 'critical pulse' : e.state || (e.kind === 'policy' ? 'info' : '');

function moment(e, short) {
  const steps = e.steps || [], evidence = e.evidence || [];
  const key = [e.at_ms, e.kind, e.subject, e.rule].join(' ');
  const facts = [e.epoch ? 'epoch ' + e.epoch : null, e.node ? 'node ' + e.node : null, e.rule ? 'rule ' + e.rule : null, e.by ? 'by ' + e.by : null].filter(Boolean).join(' · ');
  const more = evidence.length || steps.length;
  return h('li', { class: e.state || (e.kind === 'policy' ? 'info' : '') },
    h('div', { class: 'row' }, pill(wording[e.kind] || e.kind, kindOf(e)), h('span', { class: 'quiet when', title: time(e.at_ms) }, short ? new Date(e.at_ms).toLocaleTimeString(undefined, { hour12: false }) : exact(e.at_ms)),
      e.recovery ? link('/web/recovery/' + encodeURIComponent(e.recovery), 'recovery ' + e.recovery_number) : null),
    h('div', { class: 'what' }, short && e.text.length > 180 ? e.text.slice(0, 180) + '…' : e.text),
    short ? null : h('div', { class: 'facts' }, facts),
    short || !more ? null : h('details', { 'data-key': key }, h('summary', {}, [evidence.length ? e.kind === 'policy' ? plural(evidence.length, 'setting') : plural(evidence.length, 'piece') + ' of evidence' : null, steps.length ? plural(steps.length, 'step') : null].filter(Boolean).join(', ')),
      list(evidence),
      steps.length ? h('table', { class: 'steps' }, steps.map(s => h('tr', {}, h('td', {}, s.number), h('td', {}, s.text), h('td', {}, pill(s.state, { done: 'ok', failed: 'critical', intended: 'info pulse' }[s.state]), ' ', h('span', { class: 'quiet' }, s.outcome)), h('td', { class: 'number' }, ms(Math.round(s.duration_ms)))))) : null));
}

const timelineList = (entries, short) => h('ol', { class: 'timeline' + (short ? ' short' : '') }, entries.map(e => moment(e, short)));

async function timeline(name) {
  const t = await get('/api/v1/clusters/' + encodeURIComponent(name) + '/timeline?limit=300');
  const wanted = search.value.trim().toLowerCase();
  const shown = wanted ? t.entries.filter(e => JSON.stringify(e).toLowerCase().includes(wanted)) : t.entries;
  return [h('div', { class: 'row' }, h('h1', {}, t.alias || t.cluster), pill('timeline')),
    h('div', { class: 'quiet' }, link('/web/cluster/' + encodeURIComponent(t.alias || t.cluster), 'back to the cluster'), ' · what was seen, decided and done, newest first' + (t.more ? '; older entries by the API' : '')),
    h('p', {}), shown.length ? h('div', { class: 'card' }, timelineList(shown)) : h('p', { class: 'quiet' }, wanted ? 'Nothing matches “' + wanted + '”.' : 'Nothing has happened yet.')];
}

// ---- policy

async function policy() {
  const [p, versions] = await Promise.all([get('/api/v1/policy'), get('/api/v1/policy/history')]);
  const rules = p.document.rules || [];
  return [h('div', { class: 'row' }, h('h1', {}, 'Policy'), p.source === 'stored' ? pill('version ' + p.version, 'info') : pill('of the configuration file')),
    h('div', { class: 'quiet' }, p.source === 'stored' ? 'by ' + (p.by || 'somebody') + ', ' + time(p.at_ms) + (p.comment ? ': ' + p.comment : '') : 'until one is set by ', p.source === 'stored' ? null : h('code', {}, 'baton policy set FILE')),
    h('p', {}),
    h('div', { class: 'columns' },
      h('div', {}, rules.length ? rules.map((r, n) => [h('div', { class: 'card' },
        h('div', { class: 'row' }, pill('rule ' + (n + 1)), h('b', {}, r.name || '')),
        h('div', { class: 'quiet' }, 'clusters ', h('span', { class: 'mono' }, r.match.clusters.join(', ')), r.match.except ? [' but not ', h('span', { class: 'mono' }, r.match.except.join(', '))] : null),
        h('table', { class: 'narrow even' }, Object.entries(r.set).map(([k, v]) => h('tr', {}, h('td', { class: 'mono' }, k), h('td', {}, valueText(v)))))), h('p', {})])
        : h('div', { class: 'card' }, h('b', {}, 'There are no rules.'), h('p', {}, 'Every cluster is as the configuration says.'))),
      h('div', {}, h('h2', { class: 'first' }, 'History'), versions.length ? h('div', { class: 'card scroll' }, h('table', { class: 'narrow' }, versions.map(v => h('tr', {}, h('td', {}, v.version),
        h('td', {}, v.cleared ? 'configuration' : plural(v.rules, 'rule'), v.rolled_back_to ? ' as ' + v.rolled_back_to : '', h('div', { class: 'quiet' }, (v.by || 'somebody') + ', ' + time(v.at_ms)), v.comment ? h('div', { class: 'quiet' }, v.comment) : null)))))
        : h('div', { class: 'card quiet' }, 'None was stored yet.')))];
}

function findingCard(f) {
  return h('div', { class: 'card verdict ' + f.state },
    h('div', { class: 'row' }, pill(f.code === 'NoProblem' ? 'structure' : f.title, f.state), h('b', {}, f.subject), f.actionable ? pill(f.refusal ? 'recovery wanted' : 'recovery due', 'critical') : null),
    f.code === 'NoProblem' ? null : h('p', {}, f.summary), list(f.evidence),
    (f.vetoes || []).length ? [h('p', { class: 'quiet' }, 'What keeps Baton from acting:'), list(f.vetoes)] : null,
    f.waits_ms ? h('p', {}, pill('acts in ' + ms(f.waits_ms), 'critical pulse')) : null,
    f.refusal ? h('p', {}, h('b', {}, f.refusal_kind === 'shadow' ? 'Only reported: ' : f.refusal_kind === 'waiting' ? 'Waits: ' : 'No recovery: '), f.refusal) : null,
    (f.structure || []).length ? list(f.structure) : null);
}

function adviceCard(advices) {
  return h('div', { class: 'card' }, advices.map(a => h('details', { 'data-key': a.server + a.code },
    h('summary', {}, pill(a.severity, a.severity === 'notice' ? 'info' : a.severity), ' ', h('b', {}, a.server), ' ', a.sentence),
    a.statements.map(s => h('div', { class: 'mono' }, s + ';')),
    a.config ? a.config.split('\n').map(l => h('div', { class: 'mono quiet' }, '[mysqld] ' + l)) : null,
    h('div', { class: 'quiet' }, a.code))));
}

async function cluster(name) {
  const c = await get('/api/v1/clusters/' + encodeURIComponent(name));
  const own = '/api/v1/clusters/' + encodeURIComponent(name);
  const [e, t] = await Promise.all([get(own + '/explain'), get(own + '/timeline?limit=7')]);
  const wanted = search.value.trim().toLowerCase();
  const running = c.recoveries.find(r => r.state === 'running');
  return [
    h('div', { class: 'row' }, h('h1', {}, c.alias || c.name), pill(c.state === 'ok' ? 'healthy' : c.state, c.state), pill(plural(c.members.length, 'server')), e.mode === 'shadow' ? pill('shadow mode', 'warning', 'Baton reports what it would do here and changes nothing') : null, clusterOrders(c)),
    h('div', { class: 'quiet' }, c.primary ? 'primary ' + c.primary : 'no primary', ' · ', c.name),
    h('p', {}),
    h('div', { class: 'columns' },
      h('div', {},
        running ? [h('div', { class: 'card verdict critical' }, h('div', { class: 'row' }, pill('recovery ' + running.number + ' is running', 'critical pulse'), link('/web/recovery/' + encodeURIComponent(running.id), 'steps')), h('p', {}, running.summary)), h('p', {})] : null,
        c.findings.map(f => [findingCard(f), h('p', {})]),
        tree(c.members, wanted)),
      h('div', {}, explainCard(e), t.entries.length ? [h('h2', {}, 'Timeline'), h('div', { class: 'card' }, timelineList(t.entries, true), h('div', {}, link('/web/timeline/' + encodeURIComponent(name), 'all of it')))] : null, h('h2', {}, 'Policy'), policyCard(e.policy), (e.settings || []).length ? [h('h2', {}, 'Settings'), adviceCard(e.settings)] : null, c.recoveries.length ? [h('h2', {}, 'Recoveries'), recoveryTable(c.recoveries.slice(0, 8), true)] : null))];
}

// ---- recoveries, audit, nodes

const stateKind = { done: 'ok', running: 'critical pulse', failed: 'critical', abandoned: 'warning' };

function recoveryTable(recoveries, short) {
  return h('div', { class: 'card scroll' }, h('table', {},
    h('tr', {}, h('th', {}, '#'), h('th', {}, 'when'), short ? null : h('th', {}, 'cluster'), short ? h('th', {}, 'failed → successor') : [h('th', {}, 'failed'), h('th', {}, 'successor')], h('th', {}, 'state')),
    recoveries.map(r => h('tr', {}, h('td', {}, link('/web/recovery/' + encodeURIComponent(r.id), r.number)), h('td', {}, short ? new Date(r.started_ms).toLocaleString(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false }) : time(r.started_ms)),
      short ? null : h('td', {}, link('/web/cluster/' + encodeURIComponent(r.cluster_alias || r.cluster_name), r.cluster_alias || r.cluster_name)),
      short ? h('td', {}, r.failed, h('div', { class: 'quiet' }, '→ ' + (r.successor || 'nobody'))) : [h('td', {}, r.failed), h('td', {}, r.successor || '–')],
      h('td', {}, pill(r.state, stateKind[r.state]), r.total_ms ? h('span', { class: 'quiet' }, ' ' + r.total_ms + ' ms') : null)))));
}

async function recoveries() {
  const all = await get('/api/v1/recoveries');
  return [h('h1', {}, 'Recoveries'), h('p', {}), all.length ? recoveryTable(all) : h('p', { class: 'quiet' }, 'There has been none.')];
}

async function recovery(id) {
  const r = await get('/api/v1/recoveries/' + encodeURIComponent(id));
  return [
    h('div', { class: 'row' }, h('h1', {}, 'Recovery ' + r.number), pill(r.state, stateKind[r.state]), r.total_ms ? pill(r.total_ms + ' ms') : null),
    h('div', { class: 'quiet' }, r.code + ' of ' + r.failed + ' in ' + (r.cluster_alias || r.cluster_name) + ', ' + time(r.started_ms) + ', by node ' + r.node + ' (epoch ' + r.epoch + ')' + (r.requested_by ? ', ordered by ' + r.requested_by : '')),
    h('p', {}),
    h('div', { class: 'columns' },
      h('div', {}, h('div', { class: 'card scroll' }, h('table', { class: 'steps' }, h('tr', {}, h('th', {}, ''), h('th', {}, 'step'), h('th', {}, 'outcome'), h('th', {}, 'ms'), h('th', {}, 'epoch')),
        r.steps.map(s => h('tr', {}, h('td', {}, s.number), h('td', {}, s.text), h('td', {}, pill(s.state, { done: 'ok', failed: 'critical', intended: 'info pulse' }[s.state]), ' ', h('span', { class: 'quiet' }, s.outcome)), h('td', {}, s.duration_ms), h('td', {}, s.epoch)))))),
      h('div', {}, h('div', { class: 'card' }, h('b', {}, r.outcome || r.phase),
        r.loss ? h('p', {}, 'Loss: ' + r.loss) : null,
        (r.errors || []).length ? [h('h2', {}, 'Errors'), list(r.errors)] : null,
        h('h2', {}, 'Evidence'), list(r.evidence),
        h('h2', {}, 'Candidates'), list((r.candidates || []).map(c => (c.rank ? c.rank + '. ' : '– ') + c.id + ': ' + c.reason)),
        (r.lost || []).length ? [h('h2', {}, 'Lost replicas'), list(r.lost)] : null)))];
}

async function audit() {
  const entries = [].concat(...await Promise.all([0, 1, 2].map(n => get('/api/audit/' + n))));
  return [h('h1', {}, 'Audit'), h('p', {}), h('div', { class: 'card scroll' }, h('table', {}, h('tr', {}, ['when (UTC)', 'what', 'server', 'message'].map(t => h('th', {}, t))),
    entries.map(a => h('tr', {}, h('td', {}, a.AuditTimestamp), h('td', {}, a.AuditType), h('td', {}, a.AuditInstanceKey.Hostname ? a.AuditInstanceKey.Hostname + ':' + a.AuditInstanceKey.Port : ''), h('td', {}, a.Message)))))];
}

async function nodes() {
  const info = await get('/api/v1/nodes'), all = info.nodes;
  return [h('h1', {}, 'Nodes'), h('p', {}),
    (info.warnings || []).map(w => h('p', {}, pill('warning', 'warning'), ' ' + w)),
    h('div', { class: 'card scroll' }, h('table', {}, h('tr', {}, ['node', 'role', 'epoch', 'lease left', 'backend', 'version', 'configuration', 'last heard'].map(t => h('th', {}, t))),
      all.map(n => h('tr', {}, h('td', {}, h('a', { href: n.api_url }, n.name)), h('td', {}, n.active ? pill('active', 'ok') : n.alive ? pill('standby') : pill('gone', 'critical')),
        h('td', {}, n.epoch ?? ''), h('td', {}, n.lease_left_ms ? n.lease_left_ms + ' ms' : ''), h('td', {}, n.backend_address), h('td', {}, n.version), h('td', { class: 'mono' }, n.config_fingerprint), h('td', {}, n.last_heard_ms === null || n.last_heard_ms === undefined ? '' : seconds(Math.round(n.last_heard_ms / 1000)) + ' ago')))))];
}

// ---- frame

async function nodeState() {
  const state = document.getElementById('node'), banner = document.getElementById('banner');
  try {
    const info = await get('/api/v1/nodes');
    const me = info.self;
    state.replaceChildren(...[h('span', {}, 'served by ' + me.name), me.active_name ? pill('active: ' + me.active_name, 'ok') : pill('no active node', 'critical'), me.active ? null : pill('data ' + Math.max(0, me.state_age_ms / 1000).toFixed(1) + ' s old', me.state_age_ms > 3000 ? 'warning' : '')].filter(Boolean));
    const messages = [];
    if (!me.backend_ok) messages.push('The backend cannot be reached: nothing is recovered, and what you see is ' + seconds(Math.round(me.state_age_ms / 1000)) + ' old. ' + (me.backend_error || ''));
    else if (!me.active_name) messages.push('There is no active node at the moment: nothing is recovered.');
    if (me.recoveries_disabled) messages.push('Automatic recovery is disabled by ' + me.recoveries_disabled_by + '.');
    if (me.brake) messages.push('Recoveries wait: ' + me.brake + '.');
    if (me.shadow) messages.push('Shadow mode: Baton reports what it would do and changes nothing.');
    banner.hidden = !messages.length;
    banner.textContent = messages.join(' ');
  } catch (failure) {
    banner.hidden = false;
    banner.textContent = 'This node does not answer: ' + failure.message;
  }
}

const routes = [[/^\/web\/cluster\/(.+)$/, cluster], [/^\/web\/timeline\/(.+)$/, timeline], [/^\/web\/policy$/, policy], [/^\/web\/recoveries$/, recoveries], [/^\/web\/recovery\/(.+)$/, recovery], [/^\/web\/audit$/, audit], [/^\/web\/nodes$/, nodes], [/.*/, overview]];
let drawing = false, again = false, lastDraw = 0, took = 0, timer = null;

async function draw() {
  if (drawing) { again = true; return; }
  drawing = true;
  const began = Date.now();
  const path = location.pathname;
  for (const a of document.querySelectorAll('nav a')) a.classList.toggle('here', path === a.getAttribute('href') || a.getAttribute('href') === '/web/clusters' && (path === '/' || path.startsWith('/web/cluster/') || path.startsWith('/web/timeline/')));
  const [pattern, view] = routes.find(([p]) => p.test(path));
  try {
    const content = await view(...(pattern.exec(path).slice(1).map(decodeURIComponent)));
    if (path === location.pathname) {
      const open = new Set([...page.querySelectorAll('details[open]')].map(d => d.dataset.key));
      page.replaceChildren(...[].concat(content).flat(3).filter(Boolean));
      for (const d of page.querySelectorAll('details')) if (open.has(d.dataset.key)) d.open = true; // as it was left
    }
  } catch (failure) {
    if (path === location.pathname) page.replaceChildren(h('div', { class: 'card verdict critical' }, h('b', {}, 'This cannot be shown: '), failure.message));
  }
  await nodeState();
  lastDraw = Date.now();
  took = lastDraw - began;
  drawing = false;
  if (again) { again = false; soon(); }
}

/** Draws at most three times a second, however fast events come, and less often when drawing takes long. */
function soon() {
  if (timer) return;
  timer = setTimeout(() => { timer = null; draw(); }, Math.max(0, Math.min(5000, Math.max(330, 4 * took)) - (Date.now() - lastDraw)));
}

function go(path) {
  history.pushState(null, '', path);
  page.replaceChildren(h('p', { class: 'quiet' }, 'Loading…'));
  draw();
}

const search = document.getElementById('search');
search.addEventListener('input', soon);
document.addEventListener('keydown', e => { if (e.key === '/' && document.activeElement !== search) { e.preventDefault(); search.focus(); } });
document.addEventListener('click', e => {
  const a = e.target.closest('a[data-link]');
  if (!a || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
  e.preventDefault();
  if (a.getAttribute('href') && a.getAttribute('href') !== '#') go(a.getAttribute('href'));
});
window.addEventListener('popstate', draw);

function listen() {
  const events = new EventSource('/api/v1/events');
  for (const type of ['topology', 'finding', 'recovery', 'step', 'audit', 'lease', 'node', 'decision']) events.addEventListener(type, soon);
  events.onopen = soon;
  events.onerror = () => { nodeState(); }; // the browser connects again by itself
}

draw();
listen();
setInterval(soon, 5000); // ages, and whatever an event was lost of
