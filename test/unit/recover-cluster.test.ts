// One group on three members, of which two are lost for ever: the third is made the only voter, and goes on.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { soleVoter } from '../../src/actors/raft/sole-voter.ts';
import type { LogWrite } from '../../src/actors/stores/log.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { isJoint } from '../../src/machines/raft/membership.ts';
import { createMemoryLog } from '../support/memory-log.ts';
import { bytes, createNodes } from '../support/raft-nodes.ts';

const test = suite('recover cluster');
type Nodes = ReturnType<typeof createNodes>;
const NAMES = ['a', 'b', 'c'];
const COMPACTING = { everyBytes: 1_000, horizonMs: 1e9, tailBytesMax: 500, tailBytesMin: 0 };

let written = 0;
function write(nodes: Nodes, count: number): string[] {
  const leader = nodes.elected();
  return Array.from({ length: count }, () => {
    const content = `w${++written}`.padEnd(60, '.');
    let outcome = '';
    leader.group.propose(bytes(content), 5_000, (told) => (outcome = told.outcome));
    nodes.until(() => outcome !== '', `${content} is settled`);
    assert.is(outcome, 'applied');
    return content;
  });
}

const hasAll = (nodes: Nodes, name: string, all: readonly string[]) => () =>
  JSON.stringify(nodes.applied(name)) === JSON.stringify(all);

/** What is to be written, by what the stopped member's disk holds. */
function planFor(nodes: Nodes, name: string) {
  const { disk, store } = nodes.node(name);
  const recovered = createMemoryLog({ clock: nodes.clock, disk }).recovered('control');
  const snapshot = store?.newest('control')?.meta ?? null;
  const founders = NAMES as BrokerId[];
  const plan = soleVoter({ self: name as BrokerId, group: 'control', founders, recovered, snapshot });
  assert.ok(typeof plan !== 'string');
  return plan;
}

function put(nodes: Nodes, name: string, what: LogWrite): void {
  let synced = false;
  createMemoryLog({ clock: nodes.clock, disk: nodes.node(name).disk }).write(what, () => (synced = true));
  nodes.until(() => synced, 'it is durable');
}

/** All crash; one starts again, alone. */
function recover(nodes: Nodes, survivor: string): void {
  for (const name of NAMES) nodes.crash(name);
  const plan = planFor(nodes, survivor);
  assert.not.ok(plan.isAlone);
  put(nodes, survivor, plan.write([]));
  assert.ok(planFor(nodes, survivor).isAlone, 'a second time there is nothing to do');
  nodes.restart(survivor);
}

function goesOn(nodes: Nodes, survivor: string, all: string[]): void {
  all.push(...write(nodes, 3));
  assert.equal(nodes.applied(survivor), all);
  nodes.crash(survivor);
  nodes.restart(survivor);
  all.push(...write(nodes, 3));
  assert.equal(nodes.applied(survivor), all);
  assert.equal(nodes.node(survivor).group.members, [survivor]);
}

test('[RecoverCluster] manual recovery keeps committed data', () => {
  for (const survivor of NAMES) {
    const nodes = createNodes(NAMES);
    const all = write(nodes, 20);
    nodes.until(() => nodes.node(survivor).group.status.lastIndex >= 21, 'the survivor has all of it');
    nodes.clock.advance(10);
    recover(nodes, survivor);
    nodes.until(hasAll(nodes, survivor, all), 'everything that was acknowledged is applied, in order');
    goesOn(nodes, survivor, all);
  }
});

test('what the survivor never had is lost, and nothing else', () => {
  const nodes = createNodes(NAMES);
  const all = write(nodes, 5);
  const { id: survivor } = nodes.follower();
  nodes.clock.advance(100);
  nodes.isolate(survivor);
  const lost = write({ ...nodes, elected: () => nodes.leader() ?? assert.unreachable() } as Nodes, 2);
  assert.is(lost.length, 2);
  recover(nodes, survivor);
  nodes.until(hasAll(nodes, survivor, all), 'what it had');
  goesOn(nodes, survivor, all);
});

test('with a snapshot, and a log that begins behind it', () => {
  const nodes = createNodes(NAMES, { snapshots: COMPACTING });
  const all = write(nodes, 60);
  nodes.until(hasAll(nodes, 'b', all), 'b has all');
  assert.ok(nodes.node('b').group.status.firstIndex > 1);
  recover(nodes, 'b');
  assert.ok(nodes.applied('b').length > 30, 'at once, from the snapshot');
  nodes.until(hasAll(nodes, 'b', all), 'and what the log has behind it');
  goesOn(nodes, 'b', all);
  all.push(...write(nodes, 60));
  nodes.crash('b');
  nodes.restart('b');
  nodes.until(hasAll(nodes, 'b', all), 'snapshots are taken as ever');
});

test('amid a joint change, whichever half is left', () => {
  for (const survivor of NAMES) {
    const nodes = createNodes([...NAMES, 'd', 'e'], { founders: NAMES });
    nodes.until(() => nodes.leader() !== undefined, 'a leader');
    const leader = nodes.leader();
    assert.ok(leader);
    const lead = { ...nodes, elected: () => leader } as Nodes;
    const all = write(lead, 5);
    nodes.clock.advance(100);
    // The new half cannot agree without d and e: the change stays as it is.
    nodes.isolate('d');
    nodes.isolate('e');
    const { index, configuration } = leader.group.status.configuration;
    const voters = [leader.id, 'd', 'e'] as BrokerId[];
    leader.group.changeMembership(index, { ...configuration, voters }, 60_000, () => {});
    const inForce = () => nodes.node(survivor).group.status.configuration.configuration;
    nodes.until(() => isJoint(inForce()), `${survivor} knows of the change`);
    nodes.clock.advance(10);
    for (const name of ['d', 'e']) nodes.crash(name);
    recover(nodes, survivor);
    nodes.until(hasAll(nodes, survivor, all), 'everything is applied');
    goesOn(nodes, survivor, all);
  }
});

test.run();
