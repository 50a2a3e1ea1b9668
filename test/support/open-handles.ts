// Loaded into every test's process: asked by SIGUSR2, it names what keeps the process open.
process.on('SIGUSR2', () => {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const list = [...counts].map(([kind, count]) => `${kind} × ${count}`).join(', ');
  process.stderr.write(`\nstill open: ${list || 'nothing (a loop that does not yield?)'}\n`);
});
