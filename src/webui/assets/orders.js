// SPDX-License-Identifier: Apache-2.0
// Orders from the page. Each shows first what it would do and what forbids it, and asks.
'use strict';

function button(text, kind, act, title) {
  const element = h('button', { class: 'act ' + (kind || ''), type: 'button', title }, text);
  element.addEventListener('click', act);
  return element;
}

async function post(path) {
  const answer = await fetch(path, { method: 'POST', headers: { Accept: 'application/json' } });
  const value = await answer.json().catch(() => null);
  if (!answer.ok || value && value.Code === 'ERROR') throw new Error(value && value.Message || answer.status + ' ' + answer.statusText);
  return value;
}

/** Outside the page's own element: that is drawn anew with each event. */
function dialog(title, content, actions) {
  const box = h('dialog', { class: 'card' });
  const status = h('div', { class: 'status', role: 'status' });
  const close = () => { box.close(); box.remove(); };
  const row = h('div', { class: 'row' });
  const run = async (path, waiting) => {
    for (const b of row.querySelectorAll('button')) b.disabled = true;
    status.replaceChildren(h('p', {}, pill(waiting, 'info pulse')));
    try {
      const done = await post(path);
      status.replaceChildren(h('p', {}, pill('done', 'ok'), ' ' + done.Message));
    } catch (failure) {
      status.replaceChildren(h('p', {}, pill('not done', 'critical'), ' ' + failure.message));
    }
    row.replaceChildren(button('Close', '', close));
    soon();
  };
  row.append(...actions(run), button('Cancel', '', close));
  box.append(h('b', {}, title), h('div', {}, content), status, row);
  box.addEventListener('cancel', () => box.remove());
  document.body.append(box);
  box.showModal();
}

const clusterApi = c => '/api/v1/clusters/' + encodeURIComponent(c.name);
const choose = (c, best, change) => {
  const select = h('select', { 'aria-label': 'New primary' }, h('option', { value: '' }, best),
    c.members.filter(m => m.id !== c.primary && m.role !== 'deposed').map(m => h('option', { value: m.id }, m.id)));
  select.addEventListener('change', () => change(select.value));
  return select;
};

async function orderSwitchover(c) {
  let to = '';
  const facts = h('div', {}, h('p', { class: 'quiet' }, 'Looking…'));
  const start = button('Switch over', 'go', () => {}, 'Writers wait for a moment; rolled back when it does not succeed');
  const look = async () => {
    start.disabled = true;
    facts.replaceChildren(h('p', { class: 'quiet' }, 'Looking…'));
    try {
      const f = await get(clusterApi(c) + '/switchover-forecast' + (to ? '?to=' + encodeURIComponent(to) : ''));
      start.disabled = f.blockers.length > 0 || !f.successor;
      facts.replaceChildren(
        h('p', {}, f.successor ? [h('b', {}, f.successor), ' takes over from ' + f.primary + ', which follows it afterwards.'] : 'Nobody would take over.'),
        f.loss ? h('p', { class: 'quiet' }, 'Loss: ' + f.loss) : '',
        f.blockers.length ? h('div', {}, pill('not possible now', 'critical'), list(f.blockers)) : '',
        f.lost.length ? h('div', {}, pill('would be left behind', 'warning'), list(f.lost.map(l => l.id + ': ' + l.reason))) : '',
        f.candidates.length ? list(f.candidates.map(x => (x.rank ? x.rank + '. ' : '– ') + x.id + ': ' + x.reason)) : '');
    } catch (failure) {
      facts.replaceChildren(h('p', {}, pill('not known', 'critical'), ' ' + failure.message));
    }
  };
  dialog('Planned switchover of ' + (c.alias || c.name), [h('p', {}, 'New primary: ', choose(c, 'the best replica', value => { to = value; look(); })), facts], run => {
    start.addEventListener('click', () => run(clusterApi(c) + '/switchover' + (to ? '?to=' + encodeURIComponent(to) : ''), 'switching over'));
    return [start];
  });
  look();
}

async function orderFailover(c) {
  let to = '';
  const e = await get(clusterApi(c) + '/explain');
  const f = e.forecast || {};
  const accept = h('input', { type: 'checkbox', id: 'accept' });
  dialog('Failover of ' + (c.alias || c.name) + ' by force', [
    h('p', {}, c.primary + ' is replaced although it may live. It is made read-only first, if it answers.'),
    h('p', {}, 'New primary: ', choose(c, 'the best replica' + (f.successor ? ' (' + f.successor + ')' : ''), value => { to = value; })),
    f.loss ? h('p', { class: 'quiet' }, 'Possible loss: ' + f.loss) : null,
    (f.blockers || []).length ? h('div', {}, pill('holds back an automatic one', 'warning'), list(f.blockers)) : null,
    h('p', {}, accept, h('label', { for: 'accept' }, ' Accept loss: also when transactions are lost by it, or it cannot be kept from taking writes'))],
  run => [button('Fail over', 'danger', () => run(clusterApi(c) + '/failover?accept_loss=' + accept.checked + (to ? '&to=' + encodeURIComponent(to) : ''), 'failing over'))]);
}

function orderRejoin(s) {
  const path = '/api/v1/servers/' + encodeURIComponent(s.id.replace(/:[0-9]+$/, '')) + '/' + /[0-9]+$/.exec(s.id)[0] + '/rejoin';
  dialog('Take ' + s.id + ' back as a replica', [
    list(s.problems || []),
    h('p', {}, h('b', {}, 'Follow: '), 'when it has nothing that its successor lacks. Its data stays.'),
    h('p', {}, h('b', {}, 'Clone: '), 'its data is REPLACED by a copy of another server (MySQL’s clone plugin), and it restarts. ', h('code', {}, 'baton rejoin ' + s.id + ' --clone')),
    h('p', {}, h('b', {}, 'Hook: '), 'your program of recovery.hooks.reclone replaces its data. ', h('code', {}, 'baton rejoin ' + s.id + ' --hook'))],
  run => [button('Follow', 'go', () => run(path, 'ordered')),
    button('Clone', 'danger', () => run(path + '?method=clone', 'cloning')),
    button('Hook', 'danger', () => run(path + '?method=hook', 'running'))]);
}

/** Buttons of a cluster's view. */
function clusterOrders(c) {
  return h('span', { class: 'row orders' },
    button('Switch over…', '', () => orderSwitchover(c), 'Planned change of the primary'),
    button('Fail over…', '', () => orderFailover(c), 'Replace the primary by force'));
}

const serverOrders = s => s.role === 'deposed' && s.valid ? button('Take back…', '', () => orderRejoin(s)) : null;
