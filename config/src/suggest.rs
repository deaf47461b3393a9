//! The nearest of some known words, for typing mistakes.

/// The word that `typed` was most likely meant to be, if one is near enough.
pub(crate) fn closest<'w>(typed: &str, words: &[&'w str]) -> Option<&'w str> {
    let length = typed.chars().count();
    let limit = (length / 3).clamp(1, 3);
    let typed: Vec<char> = typed.to_lowercase().chars().collect();
    words
        .iter()
        .filter(|word| word.len().abs_diff(length) <= limit)
        .map(|word| (distance(&word.to_lowercase(), &typed, limit), *word))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, word)| word)
}

/// Edits between two words; anything above `limit` may be told as `limit + 1`.
fn distance(a: &str, b: &[char], limit: usize) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        let mut least = left;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let cost = (diagonal + usize::from(from != *to))
                .min(left + 1)
                .min(*cell + 1);
            diagonal = *cell;
            *cell = cost;
            left = cost;
            least = least.min(cost);
        }
        if least > limit {
            return least;
        }
    }
    row.last().copied().unwrap_or(limit + 1)
}
