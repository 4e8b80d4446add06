//! Pictures of the results, as SVG: readable on light and on dark pages, without a library.

use std::fmt::Write;

use crate::contestants::Promise;
use crate::report::{Lane, Report, thousands, time};

/// Sizes, in pixels.
const WIDTH: f64 = 860.0;
const MARGIN: f64 = 24.0;
const NAMES: f64 = 168.0;
const FIGURES: f64 = 128.0;
const HEAD: f64 = 104.0;
const ROW: f64 = 30.0;
const BAR: f64 = 16.0;
const FOOT: f64 = 58.0;

/// Colours: of the page, the text, the lines, and the four promises; once for light, once for dark.
const STYLE: &str = "
text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: #0b0b0b; }
.title { font-size: 17px; font-weight: 600; }
.quiet { fill: #52514e; }
.small { font-size: 12px; }
.figure { font-variant-numeric: tabular-nums; }
.reference { font-weight: 600; }
.page { fill: #fcfcfb; }
.grid { stroke: #e6e5e0; stroke-width: 1; }
.spread { stroke: #0b0b0b; stroke-width: 1.5; stroke-opacity: 0.6; }
.durable { fill: #2a78d6; stroke: #2a78d6; }
.batched { fill: #1baf7a; stroke: #1baf7a; }
.lost { fill: #fcfcfb; stroke: #c4621a; stroke-width: 1.5; stroke-dasharray: 4 3; }
.floor { fill: #a3a29b; stroke: #a3a29b; }
.range { stroke-dasharray: none; }
@media (prefers-color-scheme: dark) {
text { fill: #ffffff; }
.quiet { fill: #c3c2b7; }
.page { fill: #1a1a19; }
.grid { stroke: #383835; }
.spread { stroke: #ffffff; }
.durable { fill: #3987e5; stroke: #3987e5; }
.batched { fill: #199e70; stroke: #199e70; }
.lost { fill: #1a1a19; stroke: #e08a4a; }
.floor { fill: #77766f; stroke: #77766f; }
}
";

fn class(promise: Promise) -> &'static str {
    match promise {
        Promise::Durable => "durable",
        Promise::Batched => "batched",
        Promise::NotDurable => "lost",
        Promise::Floor => "floor",
    }
}

/// Claims a second: a bar to the median, a line from the least to the most of the rounds.
pub(crate) fn rates(report: &Report) -> String {
    let most = report.lanes.iter().map(|lane| lane.rates()[2]).fold(1.0, f64::max);
    let least = report.lanes.iter().map(|lane| lane.rates()[0]).fold(most, f64::min);
    // A bar has to begin somewhere: a whole decade below the least of them.
    let scale = Scale::new(least / 3.0, most);
    let about = "claims a second, median of the rounds; the line goes from the least to the most";
    let mut picture =
        Picture::new(report, "how many a second", about, &scale, &|decade| thousands(decade));
    for (row, lane) in report.lanes.iter().enumerate() {
        let [least, median, most] = lane.rates();
        picture.bar(row, lane, scale.x(median));
        picture.spread(row, scale.x(least), scale.x(most));
        picture.figure(row, lane, &thousands(median));
    }
    picture.end()
}

/// How long an ask takes: a dot at the median, a line as far as 99 of 100.
pub(crate) fn latencies(report: &Report) -> String {
    let us = |lane: &Lane, share| lane.latency(share).as_nanos() as f64 / 1_000.0;
    let most = report.lanes.iter().map(|lane| us(lane, 0.99)).fold(1.0, f64::max);
    let least = report.lanes.iter().map(|lane| us(lane, 0.5)).fold(most, f64::min);
    let scale = Scale::new(least, most);
    let about = "from the ask to its answer: a dot at the median, a line as far as 99 of 100 asks";
    let mut picture = Picture::new(report, "how long an ask takes", about, &scale, &|decade| {
        time(std::time::Duration::from_nanos((decade * 1_000.0) as u64)).replace(".0", "")
    });
    for (row, lane) in report.lanes.iter().enumerate() {
        picture.range(row, lane, scale.x(us(lane, 0.5)), scale.x(us(lane, 0.99)));
        let figure = format!("{} · {}", time(lane.latency(0.5)), time(lane.latency(0.99)));
        picture.figure(row, lane, &figure);
    }
    picture.end()
}

/// A logarithmic axis over whole decades.
struct Scale {
    from: i32,
    to: i32,
}

impl Scale {
    fn new(least: f64, most: f64) -> Self {
        let from = least.max(1e-3).log10().floor() as i32;
        Self { from, to: (most.max(1e-3).log10().ceil() as i32).max(from + 1) }
    }

    fn x(&self, value: f64) -> f64 {
        let share =
            (value.max(1e-3).log10() - f64::from(self.from)) / f64::from(self.to - self.from);
        let (left, right) = (MARGIN + NAMES, WIDTH - MARGIN - FIGURES);
        left + share.clamp(0.0, 1.0) * (right - left)
    }
}

/// A picture with a row for each lane.
struct Picture {
    svg: String,
}

impl Picture {
    fn new(
        report: &Report,
        what: &str,
        about: &str,
        scale: &Scale,
        said: &dyn Fn(f64) -> String,
    ) -> Self {
        let rows = report.lanes.len() as f64 * ROW;
        let height = HEAD + rows + FOOT;
        let (title, machine) = report.said();
        let title = escape(&format!("{title}: {what}"));
        let mut this = Self { svg: String::new() };
        this.put(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
             <style>{STYLE}</style>\n\
             <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>"
        ));
        this.text(MARGIN, 34.0, "title", &title);
        this.text(MARGIN, 55.0, "quiet small", &escape(about));
        this.legend(report);
        for decade in scale.from..=scale.to {
            let value = 10_f64.powi(decade);
            let (x, top, bottom) = (scale.x(value), HEAD - 6.0, HEAD + rows + 4.0);
            this.put(&format!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>"
            ));
            this.put(&format!(
                "<text class=\"quiet small figure\" x=\"{x:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\">{}</text>",
                bottom + 16.0,
                escape(&said(value))
            ));
        }
        this.text(MARGIN, height - 14.0, "quiet small", &escape(&machine));
        for (row, lane) in report.lanes.iter().enumerate() {
            let class = if lane.name == report.reference().name { "reference" } else { "" };
            this.text(MARGIN, middle(row) + 4.5, class, &escape(&lane.name));
        }
        this
    }

    fn legend(&mut self, report: &Report) {
        let mut x = MARGIN;
        for promise in report.promises() {
            let class = class(promise);
            let said = promise.about();
            self.put(&format!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"70\" width=\"10\" height=\"10\" rx=\"2\"/>"
            ));
            self.text(x + 16.0, 79.5, "quiet small", &escape(said));
            x += 40.0 + 6.3 * said.chars().count() as f64;
        }
    }

    /// A bar with its far end rounded.
    fn bar(&mut self, row: usize, lane: &Lane, to: f64) {
        let (left, top, class) =
            (MARGIN + NAMES, middle(row) - BAR / 2.0, class(lane.entrant.promise));
        let (straight, bottom) = ((to - left - 4.0).max(0.0), BAR - 8.0);
        self.put(&format!(
            "<path class=\"{class}\" d=\"M{left} {top} h{straight:.1} q4 0 4 4 v{bottom} \
             q0 4 -4 4 h-{straight:.1} z\"/>"
        ));
    }

    fn spread(&mut self, row: usize, from: f64, to: f64) {
        let y = middle(row);
        self.put(&format!(
            "<line class=\"spread\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y}\" y2=\"{y}\"/>"
        ));
    }

    fn range(&mut self, row: usize, lane: &Lane, from: f64, to: f64) {
        let (y, class) = (middle(row), class(lane.entrant.promise));
        self.put(&format!(
            "<rect class=\"{class} range\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"4\" \
             rx=\"2\"/>\n<circle class=\"{class} range\" cx=\"{from:.1}\" cy=\"{y}\" r=\"6\"/>",
            y - 2.0,
            (to - from).max(4.0)
        ));
    }

    fn figure(&mut self, row: usize, lane: &Lane, said: &str) {
        let class = if lane.entrant.promise == Promise::NotDurable { "quiet " } else { "" };
        let (x, y) = (WIDTH - MARGIN, middle(row) + 4.5);
        self.put(&format!(
            "<text class=\"{class}figure\" x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{}</text>",
            escape(said)
        ));
    }

    fn text(&mut self, x: f64, y: f64, class: &str, said: &str) {
        self.put(&format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{said}</text>"));
    }

    fn put(&mut self, element: &str) {
        let _ = writeln!(self.svg, "{element}");
    }

    fn end(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

/// The middle of a row.
fn middle(row: usize) -> f64 {
    HEAD + (row as f64 + 0.5) * ROW
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_goes_over_whole_decades() {
        let scale = Scale::new(800.0, 120_000.0);
        assert_eq!((scale.from, scale.to), (2, 6));
        assert!(scale.x(100.0) < scale.x(1_000.0));
        let steps =
            (scale.x(1_000.0) - scale.x(100.0)) - (scale.x(1_000_000.0) - scale.x(100_000.0));
        assert!(steps.abs() < 1e-9);
    }
}
