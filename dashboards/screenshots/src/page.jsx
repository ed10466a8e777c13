// Draws one dashboard on Grafana's grid, with Grafana's components.
import { createTheme, dateTime } from '@grafana/data';
import {
  BigValue,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  GlobalStyles,
  PanelChrome,
  Table,
  ThemeContext,
  TimeSeries,
} from '@grafana/ui';
import { createRoot } from 'react-dom/client';

import { configOf, series, table } from './frames.js';
import { Timeline } from './timeline.jsx';

const CELL_HEIGHT = 38;
const GAP = 8;
const HEADING = 64;
const theme = createTheme({ colors: { mode: 'light' } });
const { dashboard, from, to, step } = window.content;
const timeRange = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };

function Empty({ panel }) {
  return (
    <div style={{ padding: 16, textAlign: 'center', color: theme.colors.text.secondary }}>
      {panel.fieldConfig.defaults.noValue}
    </div>
  );
}

function Stat({ panel, width, height }) {
  const [frame] = series(panel, theme);
  if (!frame) {
    return <Empty panel={panel} />;
  }
  const { values, display } = frame.fields[1];
  return (
    <BigValue
      theme={theme}
      width={width}
      height={height}
      value={{ ...display(values[values.length - 1]), title: panel.title }}
      colorMode={BigValueColorMode.BackgroundSolid}
      graphMode={BigValueGraphMode.None}
      justifyMode={BigValueJustifyMode.Center}
      textMode={BigValueTextMode.Value}
    />
  );
}

function Lines({ panel, width, height }) {
  const frames = series(panel, theme);
  if (!frames.length) {
    return <Empty panel={panel} />;
  }
  frames.forEach((frame, index) => {
    const one = frame.fields[1];
    const palette = theme.visualization.palette;
    const fixed = configOf(panel, one.config.displayName).color;
    one.config.color = fixed?.mode === 'fixed' ? fixed : { mode: 'fixed', fixedColor: palette[index % palette.length] };
    one.config.custom = { ...one.config.custom, hideFrom: {}, axisPlacement: 'auto' };
  });
  return (
    <TimeSeries
      frames={frames}
      timeRange={timeRange}
      timeZone="browser"
      width={width}
      height={height}
      theme={theme}
      legend={{ showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] }}
      options={{}}
    />
  );
}

function Content({ panel, width, height }) {
  switch (panel.type) {
    case 'stat':
      return <Stat panel={panel} width={width} height={height} />;
    case 'timeseries':
      return <Lines panel={panel} width={width} height={height} />;
    case 'state-timeline': {
      const frames = series(panel, theme);
      const { mappings } = panel.fieldConfig.defaults;
      return frames.length ? (
        <Timeline frames={frames} from={from} to={to} step={step} width={width} height={height} mappings={mappings} />
      ) : (
        <Empty panel={panel} />
      );
    }
    case 'table': {
      const frame = panel.frame;
      return frame.length ? <Table data={frame} width={width} height={height} /> : <Empty panel={panel} />;
    }
    default:
      return null;
  }
}

function Panel({ panel, pageWidth }) {
  const { x, y, w, h } = panel.gridPos;
  const cell = (pageWidth - GAP) / 24;
  const place = {
    position: 'absolute',
    left: GAP + x * cell,
    top: HEADING + y * CELL_HEIGHT,
    width: w * cell - GAP,
    height: h * CELL_HEIGHT - GAP,
  };
  if (panel.type === 'row') {
    return <div style={{ ...place, fontSize: 16, fontWeight: 500, lineHeight: '30px' }}>▾ {panel.title}</div>;
  }
  return (
    <div style={place}>
      <PanelChrome title={panel.title} width={place.width} height={place.height} padding="md">
        {(width, height) => <Content panel={panel} width={width} height={height} />}
      </PanelChrome>
    </div>
  );
}

function Page() {
  const width = window.innerWidth;
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ position: 'absolute', inset: 0, background: theme.colors.background.canvas, fontFamily: theme.typography.fontFamily }}>
        <h1 style={{ margin: '14px 10px', fontSize: 22 }}>{dashboard.title}</h1>
        {dashboard.panels.map((panel) => (
          <Panel key={panel.id} panel={panel} pageWidth={width} />
        ))}
      </div>
    </ThemeContext.Provider>
  );
}

async function main() {
  for (const panel of dashboard.panels.filter(({ type }) => type === 'table')) {
    panel.frame = await table(panel, theme);
  }
  createRoot(document.getElementById('page')).render(<Page />);
}

main();
