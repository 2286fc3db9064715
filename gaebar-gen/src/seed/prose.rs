//! Text that reads like text: sentences from a few patterns and word lists, in paragraphs, pages and logs.

use super::dice::Dice;
use super::words::{ADJECTIVES, ADVERBS, ARTICLES, ASIDES, FAMILY, GIVEN, NOUNS, OPENERS, VERBS};

/// A person's given and family name.
pub(super) fn name(dice: &mut Dice) -> String {
    format!("{} {}", dice.pick(GIVEN), dice.pick(FAMILY))
}

/// A noun, perhaps with an adjective.
pub(super) fn label(dice: &mut Dice) -> String {
    if dice.once_in(3) { noun(dice).to_owned() } else { format!("{} {}", dice.pick(ADJECTIVES), noun(dice)) }
}

/// Two words of ASCII, joined with a hyphen, for names and addresses.
pub(super) fn slug(dice: &mut Dice) -> String {
    format!("{}-{}", dice.pick(ADJECTIVES), noun(dice)).replace(|letter: char| !letter.is_ascii(), "e")
}

/// A title, without a full stop.
pub(super) fn title(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => format!("How we {} the {}", dice.pick(VERBS), label(dice)),
        1 => format!("The {} and the {}", label(dice), label(dice)),
        2 => format!("{} notes on the {}", dice.between(3, 30), label(dice)),
        _ => capital(&format!("{} {}: {}", dice.pick(ADJECTIVES), noun(dice), label(dice))),
    }
}

/// A sentence with its full stop.
pub(super) fn sentence(dice: &mut Dice) -> String {
    let text = match dice.below(8) {
        0 => format!("{}, {}", dice.pick(OPENERS), clause(dice)),
        1 => format!("{} {}", clause(dice), dice.pick(ADVERBS)),
        2 => format!("{}, and {}", clause(dice), clause(dice)),
        3 => format!("{}, {}, but {} {}", dice.pick(OPENERS), clause(dice), clause(dice), dice.pick(ADVERBS)),
        4 => format!("when {}, {}", clause(dice), clause(dice)),
        5 => format!("there were {} of them beside {}", dice.between(2, 90), thing(dice)),
        6 => return dice.pick(ASIDES).to_owned(),
        _ => clause(dice),
    };
    capital(&text) + "."
}

/// Sentences on one line, of about `bytes` bytes.
pub(super) fn line(dice: &mut Dice, bytes: usize) -> String {
    let mut text = sentence(dice);
    while text.len() + 40 < bytes {
        text.push(' ');
        text += &sentence(dice);
    }
    text
}

/// Paragraphs with an empty line between them, of about `bytes` bytes in all.
pub(super) fn paragraphs(dice: &mut Dice, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 400);
    loop {
        let left = bytes.saturating_sub(text.len());
        let length = dice.size(200, 900).min(left);
        text += &line(dice, length);
        if text.len() + 60 >= bytes {
            return text;
        }
        text += "\n\n";
    }
}

/// A page with headings, lists and paragraphs in Markdown, of about `bytes` bytes.
pub(super) fn page(dice: &mut Dice, bytes: usize) -> String {
    let mut text = format!("# {}\n", title(dice));
    while text.len() + 200 < bytes {
        match dice.below(5) {
            0 => text.extend(["\n## ", &title(dice), "\n"]),
            1 => {
                text.push('\n');
                for _ in 0..dice.between(2, 7) {
                    text.extend(["- **", &label(dice), "**: ", &sentence(dice), "\n"]);
                }
            }
            2 => text.extend(["\n> ", &sentence(dice), "\n"]),
            _ => {
                let length = dice.size(300, 1000);
                text.extend(["\n", &line(dice, length), "\n"]);
            }
        }
    }
    text
}

/// A record as indented JSON, of about `bytes` bytes.
pub(super) fn json(dice: &mut Dice, bytes: usize) -> String {
    let mut text = String::from("{\n  \"version\": 3");
    let mut number = 0_u32;
    while text.len() + 60 < bytes {
        number += 1;
        let name = slug(dice).replace('-', "_");
        let value = match dice.below(4) {
            0 => dice.integer(0, 100_000).to_string(),
            1 => dice.once_in(2).to_string(),
            // Without the quotes of an aside, which JSON would escape.
            _ => format!("\"{}\"", sentence(dice).replace('"', "'")),
        };
        text.extend([",\n  \"", &name, "_", &number.to_string(), "\": ", &value]);
    }
    text + "\n}\n"
}

fn clause(dice: &mut Dice) -> String {
    format!("{} {} {}", thing(dice), dice.pick(VERBS), thing(dice))
}

fn thing(dice: &mut Dice) -> String {
    if dice.once_in(12) {
        return dice.pick(GIVEN).to_owned();
    }
    let (article, label) = (dice.pick(ARTICLES), label(dice));
    let an = article == "a" && label.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {label}", if an { "an" } else { article })
}

fn noun(dice: &mut Dice) -> &'static str {
    dice.pick(NOUNS)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_come_close_to_what_was_asked_for() {
        let mut dice = Dice::new(0, 1);
        for make in [line, paragraphs, json] {
            for bytes in [500, 2_000, 20_000] {
                let length = make(&mut dice, bytes).len();
                assert!(length.abs_diff(bytes) < 450, "{length} instead of {bytes}");
            }
        }
        // The last list of a page may be a long one.
        assert!(page(&mut dice, 20_000).len().abs_diff(20_000) < 1200);
    }

    #[test]
    fn text_has_nothing_that_source_would_escape() {
        let mut dice = Dice::new(0, 2);
        let text = paragraphs(&mut dice, 50_000) + &page(&mut dice, 50_000);
        assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()));
        assert!(!text.is_ascii());
    }

    #[test]
    fn slugs_are_ascii() {
        let mut dice = Dice::new(0, 3);
        assert!((0..2000).all(|_| slug(&mut dice).is_ascii()));
    }
}
