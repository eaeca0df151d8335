"""The style of the page that shows an AsyncAPI document."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --wash: #f5f6f8; --line: #dde1e7; --ink: #1a1e25; --quiet: #59626f; --accent: #0a5dc2;
  --refusal: #b3261e; --end: #17734a; --undo: #6f42b8; --pivot: #8a5a00; --effect: #0b6f78; --start: #0a5dc2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --wash: #1c2026; --line: #2f363f; --ink: #e4e8ed; --quiet: #9ba5b3; --accent: #80b8ff;
    --refusal: #ff9d95; --end: #71d39c; --undo: #c6abff; --pivot: #eec25a; --effect: #66cfd8; --start: #80b8ff;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4.5rem; }
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
header, nav, main { padding-inline: max(1.5rem, (100% - 76rem) / 2); }
main { padding-block: 1.25rem 5rem; }
header { padding-block: 2.5rem .75rem; }
h1 { margin: 0; font-size: 2.25rem; line-height: 1.2; letter-spacing: -.02em; }
h2 { margin: 3.5rem 0 1rem; font-size: 1.4rem; letter-spacing: -.01em; }
h3 { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .75rem; margin: 0; font-size: 1.1rem; }
h3, code, pre { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
code { font-size: .875em; overflow-wrap: anywhere; }
p { max-width: 46rem; margin-block: .4rem .9rem; }
a { color: var(--accent); text-underline-offset: .2em; }
a:not(:hover) { text-decoration-color: color-mix(in srgb, currentcolor 35%, transparent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 3px; }
nav { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; padding-block: .75rem; }
nav { background: var(--paper); border-bottom: 1px solid var(--line); }
article { margin-top: 1rem; padding: 1.25rem 1.5rem; border: 1px solid var(--line); border-radius: 10px; }
article:target { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
dl { display: grid; gap: .35rem; margin: 0; }
dl > div { display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); }
.halves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem 2.5rem; }
.halves > * { align-content: start; min-width: 0; }
dt, caption, th[scope=col], small, .quiet { color: var(--quiet); }
dt, small, th, td { font-size: .9rem; }
dd { margin: 0; }
small { font-family: system-ui, sans-serif; font-weight: 400; }
.scroll { margin-top: 1rem; overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { padding: .45rem 1.25rem .45rem 0; border-bottom: 1px solid var(--line); }
th, td { text-align: left; vertical-align: top; }
th { font-weight: 400; }
td p { margin: 0; }
th code { overflow-wrap: normal; white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
.mark { padding: .05rem .5rem; border: 1px solid; border-radius: 1rem; color: var(--quiet); }
.mark { font: 500 .75rem/1.5 system-ui, sans-serif; white-space: nowrap; }
.refusal { color: var(--refusal); } .end { color: var(--end); } .undo { color: var(--undo); }
.pivot { color: var(--pivot); } .effect { color: var(--effect); } .start { color: var(--start); }
details + details { margin-top: .75rem; }
summary { width: max-content; color: var(--accent); font-size: .9rem; cursor: pointer; }
pre { margin: .5rem 0 0; padding: .9rem 1.1rem; overflow-x: auto; background: var(--wash); border-radius: 8px; }
pre code { overflow-wrap: normal; }
@media print { nav, summary { display: none; } article { break-inside: avoid; } }
"""
