//! What `-n` shows: the summary of the latencies and a small histogram.

use std::time::Duration;

use crate::base::duration::{human, millis};
use crate::report::call::LatencySummary;
use crate::report::{Ink, Look, count};

/// Eighths of a block, so that a bar of twenty columns has 160 steps.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// The summary: on a terminal in words with bars, elsewhere `name<TAB>milliseconds` rows.
#[must_use]
pub fn summary(summary: &LatencySummary, look: &Look) -> String {
    let rows = [
        ("min", summary.min),
        ("mean", summary.mean),
        ("p50", summary.p50),
        ("p90", summary.p90),
        ("p95", summary.p95),
        ("p99", summary.p99),
        ("max", summary.max),
    ];
    let Some(width) = look.width else {
        let mut text = format!("count\t{}\n", summary.count);
        if summary.failed > 0 {
            text.push_str(&format!("failed\t{}\n", summary.failed));
        }
        text.extend(rows.iter().map(|(name, took)| format!("{name}\t{:.3} ms\n", millis(*took))));
        return text;
    };
    let mut head = count(usize::try_from(summary.count).unwrap_or(usize::MAX), "call");
    if summary.failed > 0 {
        head.push_str(&format!(", {}", look.paint(Ink::Bad, &format!("{} failed", summary.failed))));
    }
    let mut text = format!("{head}\n");
    if summary.count == 0 {
        return text;
    }
    let mut column = 0;
    for (name, took) in &rows {
        let took = human(*took);
        let needed = 3 + name.len() + took.chars().count();
        // Two columns of margin on the left; a pair is never broken.
        if column > 0 && column + needed > usize::from(width) {
            text.push('\n');
            column = 0;
        }
        text.push_str(&format!("  {} {took}", look.paint(Ink::Dim, name)));
        column += needed;
    }
    text.push('\n');
    text.push_str(&histogram(&summary.buckets, usize::from(width), look));
    text
}

/// One bar a bucket; the longest takes what the terminal leaves, forty columns at most.
fn histogram(buckets: &[(Duration, u64)], width: usize, look: &Look) -> String {
    let Some(most) = buckets.iter().map(|(_, n)| *n).max().filter(|most| *most > 0) else { return String::new() };
    let mut bounds: Vec<String> = buckets.iter().map(|(bound, _)| human(*bound)).collect();
    // Latencies close together need more digits to be told apart.
    if bounds.windows(2).any(|pair| pair[0] == pair[1]) {
        bounds = buckets.iter().map(|(bound, _)| format!("{:.2} ms", millis(*bound))).collect();
    }
    let bound_width = bounds.iter().map(|bound| bound.chars().count()).max().unwrap_or(0);
    let count_width = most.to_string().len();
    let room = width.saturating_sub(bound_width + count_width + 8).clamp(8, 40);
    let mut text = String::new();
    for ((_, n), bound) in buckets.iter().zip(&bounds) {
        let pad = " ".repeat(bound_width - bound.chars().count());
        let bar = look.paint(Ink::Key, &bar(*n, most, room));
        text.push_str(format!("  ≤ {pad}{bound} {n:>count_width$} {bar}").trim_end());
        text.push('\n');
    }
    text
}

fn bar(n: u64, most: u64, room: usize) -> String {
    let steps = (u128::from(n) * room as u128 * 8).div_ceil(u128::from(most));
    let steps = usize::try_from(steps).unwrap_or(0);
    let mut bar = "█".repeat(steps / 8);
    if steps % 8 > 0 {
        bar.push(EIGHTHS[steps % 8 - 1]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> LatencySummary {
        let us = Duration::from_micros;
        LatencySummary {
            count: 200,
            failed: 1,
            min: us(3_900),
            mean: us(4_210),
            p50: us(4_100),
            p90: us(4_800),
            p95: us(5_000),
            p99: us(9_100),
            max: us(12_000),
            buckets: vec![(us(4_000), 60), (us(5_000), 120), (us(10_000), 0), (us(12_000), 1)],
        }
    }

    #[test]
    fn a_person_gets_words_and_bars() {
        let text = summary(&sample(), &Look { width: Some(80), colour: false });
        let expected = format!(
            "200 calls, 1 failed\n  \
             min 3.9 ms  mean 4.2 ms  p50 4.1 ms  p90 4.8 ms  p95 5.0 ms  p99 9.1 ms\n  max 12 ms\n  \
             ≤ 4.0 ms  60 {}\n  ≤ 5.0 ms 120 {}\n  ≤  10 ms   0\n  ≤  12 ms   1 ▍\n",
            "█".repeat(20),
            "█".repeat(40)
        );
        assert_eq!(text, expected);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn bounds_close_together_are_told_apart() {
        let us = Duration::from_micros;
        let close = LatencySummary { buckets: vec![(us(34_100), 3), (us(34_400), 1)], ..sample() };
        let text = summary(&close, &Look { width: Some(80), colour: false });
        assert!(text.contains("≤ 34.10 ms") && text.contains("≤ 34.40 ms"), "{text}");
    }

    #[test]
    fn a_pipe_gets_rows() {
        let text = summary(&sample(), &Look::PLAIN);
        assert!(text.starts_with("count\t200\nfailed\t1\nmin\t3.900 ms\n"), "{text}");
        assert!(text.ends_with("max\t12.000 ms\n"), "{text}");
    }

    #[test]
    fn nothing_answered_is_no_histogram() {
        let none = LatencySummary { count: 0, buckets: vec![], ..sample() };
        assert_eq!(summary(&none, &Look { width: Some(80), colour: false }), "0 calls, 1 failed\n");
    }
}
