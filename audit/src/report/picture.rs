//! Pictures as SVG inside HTML: numbers only, no text of the file.

use core::fmt::Write;

use super::encode::count;

/// A part of a bar.
pub(crate) struct Slice {
    pub class: &'static str,
    pub name: &'static str,
    pub count: u64,
}

const WIDTH: u64 = 1000;
/// Anything that is there can be seen.
const THINNEST: u64 = 6;

/// A bar of full width; what is shown is also told to readers that do not see it.
pub(crate) fn bar(slices: &[Slice]) -> String {
    let there: Vec<&Slice> = slices.iter().filter(|slice| slice.count > 0).collect();
    let words: Vec<String> = there
        .iter()
        .map(|slice| format!("{} {}", count(slice.count), slice.name))
        .collect();
    let words = words.join(", ");
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} 20\" preserveAspectRatio=none role=img aria-label=\"{words}\"><title>{words}</title>"
    );
    let mut at = 0;
    for (slice, width) in there.iter().zip(widths(&there)) {
        let _ = write!(
            out,
            "<rect class={} x={at} y=0 width={width} height=20 />",
            slice.class
        );
        at += width;
    }
    out += "</svg>";
    out
}

/// Proportional, but never invisible; the widest gives what the thin ones take.
fn widths(there: &[&Slice]) -> Vec<u64> {
    let total: u128 = there.iter().map(|slice| u128::from(slice.count)).sum();
    let exact = |slice: &&Slice| {
        u64::try_from(u128::from(slice.count) * u128::from(WIDTH) / total.max(1)).unwrap_or(WIDTH)
    };
    let mut widths: Vec<u64> = there
        .iter()
        .map(|slice| exact(slice).max(THINNEST))
        .collect();
    let sum: u64 = widths.iter().sum();
    if let Some(widest) = widths.iter_mut().max() {
        *widest = (*widest + WIDTH).saturating_sub(sum);
    }
    widths
}

/// The square of a legend.
pub(crate) fn swatch(class: &str) -> String {
    format!(
        "<svg class=swatch viewBox=\"0 0 10 10\" aria-hidden=true><rect class={class} width=10 height=10 rx=2 /></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::{Slice, WIDTH, widths};

    #[test]
    fn a_bar_is_full_and_shows_the_least_of_it() {
        for counts in [
            vec![1],
            vec![1_000_000, 1],
            vec![1, 1, 1],
            vec![u64::MAX, 1, u64::MAX],
            vec![3, 1_000_000, 5, 1, 1, 1],
        ] {
            let slices: Vec<Slice> = counts
                .iter()
                .map(|&count| Slice {
                    class: "",
                    name: "",
                    count,
                })
                .collect();
            let widths = widths(&slices.iter().collect::<Vec<_>>());
            assert_eq!(widths.iter().sum::<u64>(), WIDTH, "{counts:?}");
            assert!(
                widths.iter().all(|width| *width >= 6),
                "{counts:?} {widths:?}"
            );
        }
    }
}
