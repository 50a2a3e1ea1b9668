// The configuration's schema: what may be written, and what is read from what was agreed on.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkConfig, configFrom, configKeys, defaultConfig } from '../../src/actors/cluster/cluster-config.ts';
import { VedetteError } from '../../src/core/errors.ts';

const test = suite('cluster config');

test('what differs from the defaults is agreed on, the rest is not', () => {
  assert.equal(checkConfig({}), {});
  assert.equal(checkConfig({ ...defaultConfig, 'agents.heartbeatMs': 2_000 }), { 'agents.heartbeatMs': 2_000 });
  assert.equal(configFrom({ 'agents.heartbeatMs': 2_000 }), { ...defaultConfig, 'agents.heartbeatMs': 2_000 });
});

test('what a newer version has agreed on is passed over', () => {
  assert.equal(configFrom({ 'of.tomorrow': 1, 'agents.heartbeatMs': -5 }), defaultConfig);
});

const WRONG: readonly (readonly [written: unknown, field: string, words: RegExp])[] = [
  [null, 'config', /an object/],
  [[1], 'config', /an object/],
  [{ 'agents.hartbeatMs': 2_000 }, 'config.agents.hartbeatMs', /did you mean agents\.heartbeatMs\?/],
  [{ zzz: 1 }, 'config.zzz', /there are agents\.heartbeatMs, /],
  [{ 'agents.heartbeatMs': 999 }, 'config.agents.heartbeatMs', /from 1000 to 60000, not 999/],
  [{ 'agents.heartbeatMs': '5s' }, 'config.agents.heartbeatMs', /a whole number .*, not "5s"/],
  [{ 'agents.heartbeatMs': 1_000.5 }, 'config.agents.heartbeatMs', /a whole number .*, not 1000\.5/],
];
for (const [written, field, words] of WRONG) {
  test(`refused: ${JSON.stringify(written)}`, () => {
    try {
      checkConfig(written);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, VedetteError);
      if (!(error instanceof VedetteError)) return;
      assert.equal([error.code, error.field], ['INVALID_ARGUMENT', field]);
      assert.match(error.message, words);
    }
  });
}

test('every key says what it is, and has a default that it takes', () => {
  for (const { key, about, preset } of configKeys) {
    assert.match(about, /\.$/, key);
    assert.equal(checkConfig({ [key]: preset }), {}, key);
  }
});

test.run();
