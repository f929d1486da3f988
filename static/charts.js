/* Draws <div data-chart='{"kind", "labels", "series": [{"name", "values", "texts"}]}'> with ECharts on canvas, in the
   theme's colours, again when the theme changes. kind: line, bar, stack, spark. The table beneath holds the same numbers. */
"use strict";
(() => {
  const drawn = new Map();
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  const colour = (token) => { // resolves light-dark() and color-mix() to what canvas understands
    const probe = document.createElement("span");
    probe.style.color = `var(${token})`;
    document.body.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b] = pixel.getImageData(0, 0, 1, 1).data;
    return `rgb(${r},${g},${b})`;
  };

  const palette = () => {
    const [ink, quiet, line, card] = ["ink", "quiet", "line", "card"].map((name) => colour(`--spk-${name}`));
    return { ink, quiet, line, card, marks: [1, 2, 3, 4, 5].map((n) => colour(`--spk-chart-${n}`)) };
  };

  const strokes = ["solid", "dashed", "dotted"]; // series differ by more than colour
  const series = (data, look) => data.series.map(({ name, values }, at) => ({
    name,
    type: data.kind === "bar" || data.kind === "stack" ? "bar" : "line",
    stack: data.kind === "stack" ? "all" : undefined,
    data: values,
    barMaxWidth: 28,
    itemStyle: { borderRadius: data.kind === "bar" ? [4, 4, 0, 0] : 0, borderColor: look.card, borderWidth: data.kind === "stack" ? 1 : 0 },
    lineStyle: { width: 2.25, type: strokes[at % strokes.length] },
    areaStyle: data.kind === "spark" ? { opacity: 0.12 } : undefined,
    symbol: "circle",
    symbolSize: 6,
    showSymbol: data.kind !== "spark" && data.labels.length <= 31,
  }));

  const words = (data, locale) => (points) => { // drawn on the canvas: a tooltip in HTML would carry style attributes
    const lines = points.map((point) => {
      const { name, texts } = data.series[point.seriesIndex];
      return `${name}  ${texts ? texts[point.dataIndex] : Number(point.value).toLocaleString(locale)}`;
    });
    return [points[0].axisValueLabel, ...lines].join("\n");
  };

  const options = (data) => {
    const look = palette();
    const locale = document.documentElement.lang || "en";
    const bare = data.kind === "spark";
    const font = { color: look.quiet, fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12 };
    const many = data.series.length > 1;
    return {
      animation: !still.matches,
      animationDuration: 350,
      color: look.marks,
      textStyle: font,
      grid: bare ? { left: 2, right: 2, top: 4, bottom: 2 } : { left: 4, right: 12, top: many ? 36 : 14, bottom: 4, containLabel: true },
      legend: { show: many && !bare, left: 0, top: 0, icon: "roundRect", itemWidth: 14, itemHeight: 4, textStyle: { ...font, color: look.ink } },
      tooltip: {
        trigger: "axis", renderMode: "richText", confine: true, formatter: words(data, locale),
        backgroundColor: look.card, borderColor: look.line, borderWidth: 1, padding: [8, 10], shadowBlur: 0, shadowOffsetX: 0, shadowOffsetY: 0,
        textStyle: { ...font, color: look.ink, lineHeight: 18 },
        axisPointer: { type: "line", lineStyle: { color: look.quiet, width: 1 } },
      },
      xAxis: {
        type: "category", data: data.labels, show: !bare, boundaryGap: data.kind === "bar" || data.kind === "stack",
        axisTick: { show: false }, axisLine: { lineStyle: { color: look.line } }, axisLabel: { ...font, hideOverlap: true, alignMinLabel: "left", alignMaxLabel: "right" },
      },
      yAxis: {
        type: "value", show: !bare, splitNumber: 4, minInterval: data.series.every((one) => one.values.every((value) => value === null || Number.isInteger(value))) ? 1 : 0, splitLine: { lineStyle: { color: look.line } },
        axisLabel: { ...font, formatter: (value) => value.toLocaleString(locale, { notation: "compact" }) },
      },
      series: series(data, look),
    };
  };

  const draw = (place) => {
    const data = JSON.parse(place.dataset.chart);
    const chart = drawn.get(place) ?? window.echarts.init(place, null, { renderer: "canvas" });
    drawn.set(place, chart);
    chart.setOption(options(data), true);
  };
  const drawAll = () => {
    for (const [place, chart] of drawn) {
      if (!place.isConnected) { chart.dispose(); drawn.delete(place); }
    }
    for (const place of document.querySelectorAll("[data-chart]")) draw(place);
  };

  const save = (url, name) => {
    const link = Object.assign(document.createElement("a"), { href: url, download: name });
    link.click();
  };
  const cell = (value) => { // text that a spreadsheet would take for a formula is made text
    const text = typeof value === "number" ? String(value) : String(value).replace(/^[=+\-@\t\r＝＋－＠]/, "'$&");
    return `"${text.replaceAll('"', '""')}"`;
  };
  const csv = (data) => {
    const head = ["", ...data.series.map((one) => one.name)];
    const body = data.labels.map((label, at) => [label, ...data.series.map((one) => one.texts?.[at] ?? one.values[at])]);
    return [head, ...body].map((row) => row.map(cell).join(",")).join("\r\n");
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-chart-save]");
    const place = button && button.closest("figure").querySelector("[data-chart]");
    if (!place) return;
    if (button.dataset.chartSave === "png") {
      save(drawn.get(place).getDataURL({ type: "png", pixelRatio: 2, backgroundColor: colour("--spk-card") }), `${place.id}.png`);
    } else {
      const url = URL.createObjectURL(new Blob(["\ufeff", csv(JSON.parse(place.dataset.chart))], { type: "text/csv" }));
      save(url, `${place.id}.csv`);
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    }
  });
  document.addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:afterSettle", drawAll);
  document.addEventListener("themechange", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  still.addEventListener("change", drawAll);
  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => { for (const chart of drawn.values()) chart.resize(); });
  });
})();
