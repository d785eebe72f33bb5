//! Slow and simple twins of parts of the codec, to compare with. They share no code with it.

mod read;

pub use read::{Ack, Framing, Publish, ack, frame, publish};

/// Whether `text` is a Topic Name.
#[must_use]
pub fn is_topic_name(text: &str) -> bool {
    !text.is_empty() && text.len() < 65_536 && !text.contains(['+', '#', '\0'])
}

/// Whether `text` is a Topic Filter, shared or not.
#[must_use]
pub fn is_topic_filter(text: &str) -> bool {
    if text.is_empty() || text.len() > 65_535 || text.contains('\0') {
        return false;
    }
    let mut levels: Vec<&str> = text.split('/').collect();
    if levels.len() > 1 && levels.first() == Some(&"$share") {
        let share_name = levels.get(1).copied().unwrap_or_default();
        if share_name.is_empty() || share_name.contains(['+', '#']) || levels.len() < 3 {
            return false;
        }
        levels.drain(..2);
        if levels == [""] {
            return false;
        }
    }
    let last = levels.len() - 1;
    levels
        .iter()
        .enumerate()
        .all(|(index, level)| match *level {
            "#" => index == last,
            "+" => true,
            level => !level.contains(['+', '#']),
        })
}

/// Whether a valid filter matches a valid name, by trying every way.
#[must_use]
pub fn matches(filter: &str, name: &str) -> bool {
    let mut levels: Vec<&str> = filter.split('/').collect();
    if levels.len() > 1 && levels.first() == Some(&"$share") {
        levels.drain(..2);
    }
    let names: Vec<&str> = name.split('/').collect();
    let wild = matches!(levels.first(), Some(&"#" | &"+"));
    !(wild && name.starts_with('$')) && matches_levels(&levels, &names)
}

fn matches_levels(levels: &[&str], names: &[&str]) -> bool {
    match (levels, names) {
        (["#"], _) | ([], []) => true,
        (["+", levels @ ..], [_, names @ ..]) => matches_levels(levels, names),
        ([level, levels @ ..], [name, names @ ..]) => {
            level == name && matches_levels(levels, names)
        }
        _ => false,
    }
}
