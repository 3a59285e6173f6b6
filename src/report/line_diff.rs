//! Two texts line by line: what is gone, what is new, with a little of what stayed around it.

/// Above so many comparisons the lines in the middle are told as gone and new altogether.
const COMPARISONS_MAX: usize = 1 << 20;

/// Lines of what stayed, before and after a change.
const AROUND: usize = 2;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It stayed.
    Same,
    /// It is gone.
    Gone,
    /// It is new.
    New,
    /// Lines that stayed are left out here.
    Gap,
}

impl Mark {
    /// What stands before the line.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Same => "  ",
            Self::Gone => "- ",
            Self::New => "+ ",
            Self::Gap => "  …",
        }
    }
}

/// The lines of both, in order.
#[must_use]
pub fn lines<'a>(old: &'a str, new: &'a str) -> Vec<(Mark, &'a str)> {
    let (was, is): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = was.iter().zip(&is).take_while(|(one, other)| one == other).count();
    let rest = was.len().min(is.len()) - head;
    let tail = was.iter().rev().zip(is.iter().rev()).take(rest).take_while(|(one, other)| one == other).count();
    let mut all: Vec<(Mark, &str)> = was[..head].iter().map(|line| (Mark::Same, *line)).collect();
    middle(&was[head..was.len() - tail], &is[head..is.len() - tail], &mut all);
    all.extend(was[was.len() - tail..].iter().map(|line| (Mark::Same, *line)));
    around(&all)
}

/// The longest common subsequence, where that is not too much work.
fn middle<'a>(was: &[&'a str], is: &[&'a str], all: &mut Vec<(Mark, &'a str)>) {
    if was.len().saturating_mul(is.len()) > COMPARISONS_MAX {
        all.extend(was.iter().map(|line| (Mark::Gone, *line)));
        all.extend(is.iter().map(|line| (Mark::New, *line)));
        return;
    }
    let width = is.len() + 1;
    let mut longest = vec![0_u32; (was.len() + 1) * width];
    for i in (0..was.len()).rev() {
        for j in (0..is.len()).rev() {
            longest[i * width + j] = if was[i] == is[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < was.len() || j < is.len() {
        if i < was.len() && j < is.len() && was[i] == is[j] {
            all.push((Mark::Same, was[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < was.len() && (j == is.len() || longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
            all.push((Mark::Gone, was[i]));
            i += 1;
        } else {
            all.push((Mark::New, is[j]));
            j += 1;
        }
    }
}

fn around<'a>(all: &[(Mark, &'a str)]) -> Vec<(Mark, &'a str)> {
    let changed: Vec<usize> =
        all.iter().enumerate().filter(|(_, (mark, _))| *mark != Mark::Same).map(|(at, _)| at).collect();
    let mut kept: Vec<(Mark, &str)> = Vec::new();
    let mut next = 0;
    for (at, line) in all.iter().enumerate() {
        while changed.get(next).is_some_and(|change| change + AROUND < at) {
            next += 1;
        }
        if changed.get(next).is_some_and(|change| change.abs_diff(at) <= AROUND) {
            kept.push(*line);
        } else if !matches!(kept.last(), Some((Mark::Gap, _))) {
            kept.push((Mark::Gap, ""));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(old: &str, new: &str) -> String {
        lines(old, new).iter().fold(String::new(), |text, (mark, line)| text + mark.sign() + line + "\n")
    }

    #[test]
    fn a_line_that_changed_stands_among_those_that_stayed() {
        assert_eq!(shown("a\nb\nc\nd\ne\nf", "a\nb\nc\nx\ne\nf"), "  …\n  b\n  c\n- d\n+ x\n  e\n  f\n");
        assert_eq!(shown("a", "b"), "- a\n+ b\n");
        assert_eq!(shown("", "b\nc"), "+ b\n+ c\n");
        assert_eq!(shown("a\nb\nc", "c\na\nb"), "+ c\n  a\n  b\n- c\n");
    }

    #[test]
    fn texts_without_end_are_no_work_without_end() {
        let (old, new): (String, String) = (0..3000).map(|n| (format!("{n}\n"), format!("x{n}\n"))).unzip();
        assert_eq!(lines(&old, &new).len(), 6000);
    }

    proptest! {
        #[test]
        fn what_is_gone_and_new_and_same_makes_up_both(old in "([ab]{0,2}\n){0,8}", new in "([ab]{0,2}\n){0,8}") {
            let all = { let mut all = Vec::new(); middle(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>(), &mut all); all };
            let of = |mark: Mark| all.iter().filter(|(have, _)| *have == Mark::Same || *have == mark).map(|(_, line)| *line).collect::<Vec<_>>();
            prop_assert_eq!(of(Mark::Gone), old.lines().collect::<Vec<_>>());
            prop_assert_eq!(of(Mark::New), new.lines().collect::<Vec<_>>());
            prop_assert_eq!(lines(&old, &new).iter().any(|(mark, _)| matches!(mark, Mark::Gone | Mark::New)), old != new);
        }
    }
}
