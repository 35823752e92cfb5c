// A run as a table in Markdown.

const rounded = (number) => Math.round(number).toLocaleString('en-US');
const rate = ({ median, lowest, highest }) => `${rounded(median)} (${rounded(lowest)}–${rounded(highest)})`;

function barOf({ ratio, bar }) {
  if (bar === null) {
    return '';
  }
  return `≥ ${bar} ×: ${ratio >= bar ? 'met' : 'missed'}`;
}

export function table({ date, machine, versions, results }) {
  const head = ['policies', 'asked by', 'Cerbos, req/s', 'cedargate, req/s', 'ratio', 'bar', 'server CPU a request'];
  const rows = results.map(({ policies, variant, cerbos, cedargate, ...judged }) => [
    rounded(policies),
    variant,
    rate(cerbos.requests_per_second),
    rate(cedargate.requests_per_second),
    `${judged.ratio.toFixed(1)} ×`,
    barOf(judged),
    `${rounded(cerbos.cpu_microseconds.median)} / ${rounded(cedargate.cpu_microseconds.median)} µs`,
  ]);
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  const where = `${date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores shared with wrk`;
  return [`${where}; ${versions.cedargate}, Cerbos ${versions.cerbos}`, '', ...lines].join('\n');
}
