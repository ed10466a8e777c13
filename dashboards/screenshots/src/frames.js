// Makes Grafana's data frames of what Prometheus answered, as its data source and its transformations would.
// The rule of this file: units, words and colours are the panel's own; nothing is decided here.
import { FieldType, createDataFrame, getDisplayProcessor } from '@grafana/data';

const legend = (template, labels) => template.replace(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? '');

export function configOf(panel, name) {
  const { defaults, overrides = [] } = panel.fieldConfig;
  const config = structuredClone(defaults);
  for (const { matcher, properties } of overrides) {
    if (matcher.id === 'byName' && matcher.options !== name) {
      continue;
    }
    for (const { id, value } of properties) {
      const path = id.split('.');
      const last = path.pop();
      path.reduce((at, key) => (at[key] ??= {}), config)[last] = value;
    }
  }
  delete config.links;
  return config;
}

function field(panel, theme, name, type, values) {
  const config = configOf(panel, name);
  const made = { name, type, values, config: { ...config, displayName: name } };
  made.display = getDisplayProcessor({ field: made, theme });
  return made;
}

export function series(panel, theme) {
  return panel.targets.flatMap((target) =>
    target.result.map(({ metric, value, values }) => {
      const samples = values ?? [value];
      const frame = createDataFrame({
        refId: target.refId,
        fields: [
          { name: 'Time', type: FieldType.time, values: samples.map(([at]) => at * 1000), config: {} },
          { name: 'x', type: FieldType.number, values: samples.map(([, one]) => Number(one)), config: {} },
        ],
      });
      frame.fields[1] = {
        ...frame.fields[1],
        ...field(panel, theme, legend(target.legendFormat ?? '', metric), FieldType.number, frame.fields[1].values),
      };
      return frame;
    })
  );
}

export function table(panel, theme) {
  const { indexByName, renameByName } = panel.transformations.find(({ id }) => id === 'organize').options;
  const inOrder = Object.entries(renameByName).sort(([one], [other]) => indexByName[one] - indexByName[other]);
  const columns = Object.fromEntries(inOrder);
  const rows = new Map();
  for (const target of panel.targets) {
    const value = panel.targets.length > 1 ? `Value #${target.refId}` : 'Value';
    for (const { metric, value: sample } of target.result) {
      const labels = Object.fromEntries(Object.entries(metric).filter(([name]) => name in columns));
      const key = JSON.stringify(Object.keys(labels).includes('version') ? labels.instance : Object.values(labels));
      rows.set(key, { ...rows.get(key), ...labels, [value]: Number(sample[1]) });
    }
  }
  const [{ displayName, desc }] = panel.options.sortBy;
  const sorted = Object.keys(columns).find((name) => columns[name] === displayName);
  const order = [...rows.values()].sort((one, other) => {
    const [a, b] = [one[sorted] ?? 0, other[sorted] ?? 0];
    const way = typeof a === 'string' ? a.localeCompare(b, 'en', { numeric: true }) : a - b;
    return desc ? -way : way;
  });
  const frame = createDataFrame({ fields: [] });
  frame.fields = Object.entries(columns).map(([name, heading]) => {
    const isNumber = name.startsWith('Value');
    const values = order.map((row) => row[name] ?? null);
    return field(panel, theme, heading, isNumber ? FieldType.number : FieldType.string, values);
  });
  frame.length = order.length;
  return frame;
}
