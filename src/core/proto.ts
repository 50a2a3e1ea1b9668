// The generated messages, with 64-bit fields as numbers. Import them from here only.
import './proto-numbers.ts';

export { grpc, vedette } from '../../gen/proto.js';
