// Chance, from a seed. The only source of it outside the port adapters.

export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [low, high]. */
  integer(low: number, high: number): number;
  /** An independent source, derived from this one and `name`: what one consumer draws never shifts what another gets. */
  fork(name: string): Random;
}
