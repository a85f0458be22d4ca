"""The look of a tuning report: one style sheet, light and dark, for screens and for paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --card: #f6f7f9; --ink: #1c2024; --soft: #5b6470; --grid: #e2e5e9;
  --c0: #0072B2; --c1: #D55E00; --c2: #009E73; --c3: #B0578D; --c4: #A87400; --c5: #2F8FBF;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1d2126; --ink: #e8eaed; --soft: #9aa4b0; --grid: #2e343b;
    --c0: #58AEE8; --c1: #F58A42; --c2: #37C79B; --c3: #DE95C0; --c4: #E9B44C; --c5: #8FD0F2;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 980px; padding: 32px 24px 64px; background: var(--page);
  color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
}
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 44px 0 6px; }
p { margin: 6px 0; max-width: 76ch; }
.soft, figcaption, th { color: var(--soft); }
.cards { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 8px; }
.card { background: var(--card); border-radius: 10px; padding: 12px 16px; min-width: 128px; }
.card b { display: block; font-size: 22px; line-height: 1.3; font-weight: 600; }
.card span { color: var(--soft); font-size: 13px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; margin: 10px 0; }
th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--grid);
  vertical-align: top; }
th { font-weight: 500; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td .keep { white-space: nowrap; }
tr.best td { font-weight: 600; }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
pre { background: var(--card); border-radius: 8px; padding: 12px 16px; overflow-x: auto; }
figure { margin: 12px 0 0; }
figcaption { font-size: 13px; margin-top: 4px; max-width: 90ch; }
ul { padding-left: 20px; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 13px system-ui, sans-serif; }
svg text.small { font-size: 11px; fill: var(--ink); }
svg text.halo { paint-order: stroke; stroke: var(--page); stroke-width: 3px; }
.grid { stroke: var(--grid); fill: none; }
.axis { stroke: var(--soft); fill: none; }
.line { fill: none; stroke-width: 2; }
.line.strong { stroke-width: 3.5; }
.line.faint { stroke: var(--soft); stroke-opacity: .25; stroke-width: 1.2; }
.mark { stroke: var(--page); stroke-width: 1; }
.mark.hollow { fill: var(--page); stroke: var(--c0); stroke-width: 1.5; }
.lost { stroke: var(--soft); stroke-width: 1.5; fill: none; }
.s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); }
.s3 { stroke: var(--c3); } .s4 { stroke: var(--c4); } .s5 { stroke: var(--c5); }
.fill0 { fill: var(--c0); } .fill1 { fill: var(--c1); } .fill2 { fill: var(--c2); }
.fill3 { fill: var(--c3); } .fill4 { fill: var(--c4); } .fill5 { fill: var(--c5); }
.band { stroke: none; fill-opacity: .14; }
.b0 { fill: var(--c0); } .b1 { fill: var(--c1); } .b2 { fill: var(--c2); }
.b3 { fill: var(--c3); } .b4 { fill: var(--c4); } .b5 { fill: var(--c5); }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; }
  figure, table { break-inside: avoid; } }
"""
