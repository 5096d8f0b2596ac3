"""Draws what threads did (thread_trace.py) in a stretch of time as SVG: a lane a thread, system calls named, wake-ups as arrows."""
from dataclasses import dataclass
from html import escape

from thread_trace import Thread, Trace

WIDTH, LEFT, RIGHT = 1180, 190, 24
BAR, LABEL_ROW, LABEL_ROWS, LANE_GAP = 18, 12, 3, 10
LANE = BAR + LABEL_ROW * LABEL_ROWS + LANE_GAP
PANEL_HEAD, PANEL_FOOT = 46, 40
COLOURS = {"runs": "#0072b2", "call": "#e69f00", "ready": "#c62828", "sleeps": "#e6eaee"}
LEGEND = (("runs", "runs in its own code"), ("call", "runs in a system call"), ("ready", "woken, waits for a core"), ("sleeps", "sleeps"))
LETTER = 5.6  # about the width of a character of the labels


@dataclass
class Panel:
    title: str
    note: str
    begin_ns: int
    end_ns: int
    lanes: list[tuple[str, Thread]]
    trace: Trace

    def x(self, now_ns: int) -> float:
        part = (min(max(now_ns, self.begin_ns), self.end_ns) - self.begin_ns) / (self.end_ns - self.begin_ns)
        return LEFT + (WIDTH - LEFT - RIGHT) * part

    def height(self) -> int:
        return PANEL_HEAD + LANE * len(self.lanes) + PANEL_FOOT


def text(x: float, y: float, words: str, extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {extra}>{escape(words)}</text>'


def bar(panel: Panel, y: float, begin_ns: int, end_ns: int, kind: str) -> str:
    if end_ns <= panel.begin_ns or begin_ns >= panel.end_ns:
        return ""
    left, right = panel.x(begin_ns), panel.x(end_ns)
    height = 6 if kind == "sleeps" else BAR
    return (f'<rect x="{left:.1f}" y="{y + (BAR - height) / 2:.1f}" width="{max(right - left, 0.6):.1f}" height="{height}" '
            f'fill="{COLOURS[kind]}"/>')


def running_parts(thread: Thread, begin_ns: int, end_ns: int) -> list[tuple[int, int]]:
    """When the thread was on a core between the two."""
    return [(max(s.begin_ns, begin_ns), min(s.end_ns, end_ns)) for s in thread.stretches
            if s.state == "runs" and s.end_ns > begin_ns and s.begin_ns < end_ns]


def draw_lane(panel: Panel, thread: Thread, y: float) -> list[str]:
    parts = [bar(panel, y, s.begin_ns, s.end_ns, s.state) for s in thread.stretches]
    rows = [0.0] * LABEL_ROWS  # where each row of labels is free again
    for call in thread.calls:
        if call.end_ns <= panel.begin_ns or call.begin_ns >= panel.end_ns:
            continue
        parts += [bar(panel, y, begin, end, "call") for begin, end in running_parts(thread, call.begin_ns, call.end_ns)]
        middle = (panel.x(call.begin_ns) + panel.x(min(call.end_ns, panel.end_ns))) / 2
        half = len(call.name) * LETTER / 2
        middle = min(max(middle, LEFT + half), WIDTH - RIGHT - half)
        row = next((i for i, free in enumerate(rows) if free <= middle - half), None)
        if row is None:  # the bar alone has to do
            continue
        rows[row] = middle + half + 6
        label_y = y + BAR + LABEL_ROW * (row + 1) - 1
        parts.append(f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{y + BAR}" y2="{label_y - 9:.1f}" stroke="#bbb"/>')
        parts.append(text(middle, label_y, call.name, 'text-anchor="middle" font-size="10" fill="#444"'))
    return parts


def draw_wakes(panel: Panel, top: float) -> list[str]:
    place = {thread.tid: top + LANE * index + BAR / 2 for index, (_, thread) in enumerate(panel.lanes)}
    parts = []
    for wake in panel.trace.wakes:
        if wake.waker not in place or wake.woken not in place or not panel.begin_ns <= wake.at_ns <= panel.end_ns:
            continue
        x, from_y, to_y = panel.x(wake.at_ns), place[wake.waker], place[wake.woken]
        end = to_y - 10 if to_y > from_y else to_y + 10
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{from_y:.1f}" y2="{end:.1f}" stroke="#222" '
                     'stroke-dasharray="3 2" marker-end="url(#arrow)"/>')
    return parts


def draw_axis(panel: Panel, y: float) -> list[str]:
    total_us = (panel.end_ns - panel.begin_ns) / 1000
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000) if total_us / s <= 14)
    parts = [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#888"/>']
    for us in range(0, int(total_us) + 1, step):
        x = panel.x(panel.begin_ns + us * 1000)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 4}" stroke="#888"/>')
        parts.append(text(x, y + 15, f"{us}", 'text-anchor="middle" font-size="10" fill="#555"'))
    parts.append(text(LEFT - 10, y + 15, "microseconds", 'text-anchor="end" font-size="10" fill="#555"'))
    return parts


def draw_panel(panel: Panel, y: float) -> list[str]:
    parts = [text(LEFT, y + 16, panel.title, 'font-size="14" font-weight="bold"'),
             text(LEFT, y + 32, panel.note, 'font-size="11" fill="#444"')]
    top = y + PANEL_HEAD
    for index, (name, thread) in enumerate(panel.lanes):
        lane_y = top + LANE * index
        parts.append(text(LEFT - 10, lane_y + BAR - 5, name, 'text-anchor="end"'))
        parts += draw_lane(panel, thread, lane_y)
    return parts + draw_wakes(panel, top) + draw_axis(panel, top + LANE * len(panel.lanes))


def draw(title: str, notes: list[str], panels: list[Panel]) -> str:
    head = 40 + 16 * len(notes) + 24
    height = head + sum(panel.height() for panel in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#222"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>', text(24, 28, title, 'font-size="17" font-weight="bold"')]
    parts += [text(24, 48 + 16 * index, note, 'font-size="11" fill="#444"') for index, note in enumerate(notes)]
    x = 24.0
    for kind, words in LEGEND:
        parts.append(f'<rect x="{x:.1f}" y="{head - 22}" width="14" height="11" fill="{COLOURS[kind]}"/>')
        parts.append(text(x + 19, head - 12, words, 'font-size="11"'))
        x += 40 + len(words) * 6.2
    parts.append(text(x, head - 12, "- - > wakes another thread", 'font-size="11"'))
    y = float(head)
    for panel in panels:
        parts += draw_panel(panel, y)
        y += panel.height()
    return "\n".join(part for part in parts if part) + "\n</svg>\n"
