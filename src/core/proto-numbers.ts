// 64-bit fields are JS numbers here (indexes, milliseconds: all below 2^53). protobufjs would make Long objects of them
// whenever the package `long` can be resolved, so it is told not to, before the generated code is evaluated.
import protobuf from 'protobufjs/minimal.js';

Object.assign(protobuf.util, { Long: undefined });
protobuf.configure();
