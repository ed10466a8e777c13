// Converts Prometheus results to Grafana's data frames, as its data source and its transformations do.
// Units, words and colours are the panel's own.
import { FieldType, createDataFrame, getDisplayProcessor, sortDataFrame, standardTransformers } from '@grafana/data';
import { lastValueFrom, of } from 'rxjs';

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

const transformers = Object.fromEntries(
  Object.values(standardTransformers).map((one) => [one.id, one])
);

// A table as Grafana makes it: one frame per query, then the panel's transformations, then sorting.
export async function table(panel, theme) {
  let frames = panel.targets.filter(({ result }) => result.length).map((target) => frameOf(target, panel.targets.length > 1));
  for (const { id, options } of panel.transformations) {
    frames = await lastValueFrom(of(frames).pipe(transformers[id].operator(options, { interpolate: (text) => text })));
  }
  const [frame] = frames;
  if (!frame) {
    return { fields: [], length: 0 };
  }
  const named = frame.fields.map((one) => ({ ...one, name: one.config?.displayName ?? one.name }));
  const fields = named.map(({ name, type, values }) => field(panel, theme, name, type, values));
  const [{ displayName, desc }] = panel.options.sortBy;
  const by = fields.findIndex(({ name }) => name === displayName);
  return by < 0 ? { ...frame, fields } : sortDataFrame({ ...frame, fields }, by, desc);
}

function frameOf({ refId, result }, severalQueries) {
  const labels = [...new Set(result.flatMap(({ metric }) => Object.keys(metric)))];
  return createDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: result.map(({ value }) => value[0] * 1000) },
      ...labels.map((name) => ({ name, type: FieldType.string, values: result.map(({ metric }) => metric[name]) })),
      {
        name: severalQueries ? `Value #${refId}` : 'Value',
        type: FieldType.number,
        values: result.map(({ value }) => Number(value[1])),
      },
    ],
  });
}
