//! The names that somebody who mistyped one may have meant.

/// Longer names are not compared: no field, type or dictionary has one.
const LONGEST: usize = 64;

/// How many names are offered.
const OFFERED: usize = 3;

/// How many names are listed where none is near.
const LISTED: usize = 12;

/// What to say to somebody who wrote `wrong` where only `names` are known.
pub(crate) fn advice<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    let length = wrong.chars().count();
    let mut near: Vec<(usize, &str)> = Vec::new();
    if length <= LONGEST {
        let allowed = (length / 3).max(1);
        near.extend(names.iter().filter_map(|name| {
            let distance = distance(wrong, name);
            let inside = length >= 3 && name.contains(wrong);
            (distance <= allowed || inside).then_some((distance, *name))
        }));
        near.sort_unstable();
    }
    let quote = |name: &&str| format!("`{name}`");
    if !near.is_empty() {
        let offered: Vec<String> = near
            .iter()
            .take(OFFERED)
            .map(|(_, name)| quote(name))
            .collect();
        return format!("did you mean {}?", offered.join(" or "));
    }
    let listed: Vec<String> = names.iter().take(LISTED).map(quote).collect();
    let more = names.len().saturating_sub(LISTED);
    let tail = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("the names known are {}{tail}", listed.join(", "))
}

/// How many letters must be changed, added, removed or exchanged with their neighbour to turn one
/// name into the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(LONGEST + 1).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut last = None;
    for (row, letter) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let changed = above[column] + usize::from(letter != *other);
            let mut best = changed.min(above[column + 1] + 1).min(current[column] + 1);
            if column > 0 && last == Some(*other) && to[column - 1] == letter {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
        last = Some(letter);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn distances() {
        assert_eq!(distance("price", "price"), 0);
        assert_eq!(distance("prise", "price"), 1);
        assert_eq!(distance("pirce", "price"), 1);
        assert_eq!(distance("", "price"), 5);
        assert_eq!(distance("price", ""), 5);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn the_nearest_comes_first() {
        let names = ["price", "prices", "size", "reference_price"];
        assert_eq!(advice("prise", names.into_iter()), "did you mean `price`?");
        assert_eq!(
            advice("ref", names.into_iter()),
            "did you mean `reference_price`?"
        );
    }

    #[test]
    fn without_a_near_name_some_are_listed() {
        let names: Vec<String> = (10..30).map(|number| format!("field_{number}")).collect();
        let advice = advice("zzz", names.iter().map(String::as_str));
        assert!(
            advice.starts_with("the names known are `field_10`, `field_11`"),
            "{advice}"
        );
        assert!(advice.ends_with("`field_21` and 8 more"), "{advice}");
    }

    proptest! {
        #[test]
        fn distance_has_two_equal_directions(a in "[ab]{0,8}", b in "[ab]{0,8}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
        }
    }
}
