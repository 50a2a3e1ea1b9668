// 64-bit fields are numbers here (times, counts: all below 2^53). protobufjs would make Long objects of them where it finds the
// package `long`, so it is told not to before the generated code is evaluated: this is imported first.
import protobuf from 'protobufjs/minimal.js';

Object.assign(protobuf.util, { Long: undefined });
protobuf.configure();
