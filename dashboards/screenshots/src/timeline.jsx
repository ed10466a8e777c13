// A state timeline, which Grafana's component library lacks. Words and colours come from the display processor.
import { dateTimeFormat } from '@grafana/data';
import { VizLegend, useTheme2 } from '@grafana/ui';

const AXIS_HEIGHT = 22;
const LEGEND_HEIGHT = 26;

function segments(frame, step) {
  const [times, states] = frame.fields.map((field) => field.values);
  const found = [];
  for (let index = 0; index < times.length; index++) {
    const last = found[found.length - 1];
    const gap = last && times[index] - last.to > 1.5 * step;
    if (last && !gap && last.value === states[index]) {
      last.to = times[index];
    } else {
      if (last && !gap) {
        last.to = times[index];
      }
      found.push({ from: times[index], to: times[index], value: states[index] });
    }
  }
  return found;
}

export function Timeline({ frames, from, to, step, width, height, mappings }) {
  const theme = useTheme2();
  const names = frames.map((frame) => frame.fields[1].config.displayName);
  const left = Math.min(width * 0.38, 14 + 7.2 * Math.max(...names.map((name) => name.length)));
  const plot = width - left - 8;
  const place = (time) => left + (plot * (Math.max(time, from) - from)) / (to - from);
  const row = (height - AXIS_HEIGHT - LEGEND_HEIGHT) / frames.length;
  const bar = Math.min(row * 0.8, 30);
  const ticks = [0.1, 0.3, 0.5, 0.7, 0.9].map((share) => from + share * (to - from));
  const items = Object.values(mappings[0].options).map(({ text, color }) => ({ label: text, color, yAxis: 1 }));
  const text = { position: 'absolute', whiteSpace: 'nowrap', overflow: 'hidden', fontSize: 12 };
  return (
    <div style={{ position: 'relative', width, height }}>
      {frames.map((frame, index) => (
        <div key={names[index]}>
          <div style={{ ...text, top: index * row + (row - 18) / 2, left: 0, width: left - 8, textAlign: 'right' }}>
            {names[index]}
          </div>
          {segments(frame, step).map((one) => {
            const shown = frame.fields[1].display(one.value);
            const wide = place(one.to) - place(one.from);
            return (
              <div
                key={one.from}
                style={{
                  ...text,
                  top: index * row + (row - bar) / 2,
                  left: place(one.from),
                  width: Math.max(wide, 1),
                  height: bar,
                  lineHeight: `${bar}px`,
                  background: shown.color,
                  color: theme.colors.getContrastText(shown.color),
                  paddingLeft: wide > 40 ? 6 : 0,
                  boxSizing: 'border-box',
                }}
              >
                {wide > 7 * shown.text.length + 10 ? shown.text : ''}
              </div>
            );
          })}
        </div>
      ))}
      {ticks.map((tick) => (
        <div
          key={tick}
          style={{ ...text, top: height - AXIS_HEIGHT - LEGEND_HEIGHT, left: place(tick) - 28, color: theme.colors.text.secondary }}
        >
          {dateTimeFormat(tick, { format: 'HH:mm:ss' })}
        </div>
      ))}
      <div style={{ position: 'absolute', bottom: 0, left: 0 }}>
        <VizLegend displayMode="list" placement="bottom" items={items} />
      </div>
    </div>
  );
}
