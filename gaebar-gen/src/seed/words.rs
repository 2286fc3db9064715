//! The words that sample text is made of. (rustfmt would put every word on a line of its own.)

/// Things.
#[rustfmt::skip]
pub(super) const NOUNS: &[&str] = &[
    "almond", "anchor", "archive", "atlas", "awning", "bakery", "balcony", "basket", "beacon", "bicycle", "blanket",
    "border", "bridge", "bucket", "button", "café", "camera", "candle", "canal", "carpet", "cellar", "chapter",
    "chimney", "choir", "clock", "closet", "compass", "corner", "cottage", "courtyard", "crate", "drawer", "engine",
    "envelope", "façade", "fence", "ferry", "fiddle", "forest", "fountain", "garden", "gate", "glacier", "harbour",
    "hallway", "hammer", "hedge", "island", "jacket", "jalapeño", "kettle", "keyboard", "kitchen", "ladder",
    "lantern", "ledger", "library", "lighthouse", "map", "market", "meadow", "mirror", "mountain", "museum",
    "neighbour", "notebook", "orchard", "oven", "paddle", "parcel", "pencil", "piano", "pillow", "platform", "pocket",
    "postcard", "quarry", "queue", "quilt", "radio", "recipe", "river", "roof", "saddle", "sandwich", "schedule",
    "shelf", "signal", "sketch", "smörgåsbord", "stairway", "station", "story", "suitcase", "teapot", "telegram",
    "theatre", "ticket", "timetable", "tower", "tractor", "tunnel", "umbrella", "valley", "village", "violin",
    "wagon", "warehouse", "weather", "window", "winter", "workshop", "zither",
];

/// What one thing did to another.
#[rustfmt::skip]
pub(super) const VERBS: &[&str] = &[
    "admired", "answered", "arranged", "borrowed", "brightened", "carried", "changed", "cleaned", "collected",
    "counted", "covered", "crossed", "described", "discovered", "divided", "drew", "emptied", "explained", "filled",
    "finished", "fixed", "followed", "forgot", "found", "guarded", "heard", "improved", "invented", "kept",
    "labelled", "lifted", "lost", "measured", "mended", "missed", "moved", "noticed", "opened", "outlived", "packed",
    "painted", "passed", "photographed", "praised", "preferred", "ignored", "remembered", "repaired", "replaced",
    "returned", "shared", "shook", "showed", "sketched", "swapped", "tested", "touched", "tried", "unfolded",
    "warmed", "watched", "weighed", "wrapped",
];

/// How a thing is.
#[rustfmt::skip]
pub(super) const ADJECTIVES: &[&str] = &[
    "ancient", "awkward", "blue", "borrowed", "brave", "bright", "broken", "calm", "careful", "cheap", "clever",
    "cold", "crooked", "curious", "dusty", "early", "elegant", "empty", "faint", "famous", "foggy", "forgotten",
    "fresh", "gentle", "golden", "green", "heavy", "hidden", "hollow", "candid", "late", "lazy", "little", "lonely",
    "loud", "mild", "modest", "narrow", "naïve", "new", "noisy", "odd", "old", "painted", "pale", "patient", "plain",
    "polite", "quick", "quiet", "red", "restless", "round", "rusty", "second", "secret", "sharp", "silver", "sleepy",
    "slow", "small", "soft", "spare", "steep", "stubborn", "sunny", "tall", "temporary", "tidy", "tiny", "unlikely",
    "ordinary", "warm", "wet", "wide", "wooden",
];

/// When and how something was done.
#[rustfmt::skip]
pub(super) const ADVERBS: &[&str] = &[
    "again", "almost by accident", "as agreed", "at dawn", "at last", "before lunch", "by hand", "carefully",
    "every Tuesday", "for once", "in the rain", "in three days", "more than twice", "next door", "on the way home",
    "over the holidays", "overnight", "quietly", "so far", "that evening", "together", "twice", "under protest",
    "with some help", "without a word",
];

/// What a sentence begins with, before a comma.
#[rustfmt::skip]
pub(super) const OPENERS: &[&str] = &[
    "After that", "As far as I know", "At first", "By the time we left", "Even so", "For a while", "From here on",
    "In the end", "In those days", "Last summer", "Later", "Meanwhile", "Most of the time", "Strangely",
    "On Friday", "On the other hand", "Once more", "Perhaps", "Since then", "Somehow", "Still", "To be fair",
    "To our surprise", "Years ago",
];

/// What stands before a thing.
#[rustfmt::skip]
pub(super) const ARTICLES: &[&str] = &[
    "the", "the", "the", "a", "our", "their", "every", "this", "that", "another", "my", "someone's",
];

/// Whole sentences, also in other scripts and with quotes.
#[rustfmt::skip]
pub(super) const ASIDES: &[&str] = &[
    "Thank you all!", "What else could we do?", "That was that.", "I have no idea why.", "Ça va sans dire.",
    "Alles wird gut.", "ありがとう、また明日。", "Ну и хорошо.", "Så er det sagt.", "¿Y por qué no?", "Ευχαριστώ πολύ.", "谢谢大家。",
    "🙂", "🎉 🎉", "She said \"maybe\", and he said \"no\".", "It cost 40 € or so.", "It's a long story…",
];

/// Given names.
#[rustfmt::skip]
pub(super) const GIVEN: &[&str] = &[
    "Ada", "Alma", "André", "Anouk", "Astrid", "Bao", "Bela", "Björn", "Carla", "Chidi", "Dora", "Edgar", "Elif",
    "Emil", "Farah", "Felix", "Greta", "Hana", "Hugo", "Ines", "Ivo", "Jasmin", "Jonas", "Kaya", "Lars", "Leïla",
    "Lucía", "Mai", "Mateo", "Milo", "Nadia", "Nils", "Noor", "Olga", "Omar", "Paula", "Petra", "Quentin", "Rosa",
    "Ryo", "Sami", "Selma", "Tariq", "Tove", "Uma", "Viktor", "Wanda", "Xavier", "Yuki", "Zoë",
];

/// Family names.
#[rustfmt::skip]
pub(super) const FAMILY: &[&str] = &[
    "Abara", "Albers", "Arslan", "Baker", "Blanc", "Castro", "Dahl", "Demir", "Eriksen", "Falk", "Ferreira",
    "Fischer", "Garnier", "Greenwood", "Haas", "Hill", "Ibáñez", "Ito", "Jansen", "Kaminski", "Keller", "Kovač",
    "Lindqvist", "Lopes", "Mason", "Mbeki", "Moreau", "Müller", "Nakamura", "Novák", "O'Connor", "Okafor", "Pérez",
    "Petersen", "Quinn", "Rao", "Reyes", "Rossi", "Sato", "Schneider", "Silva", "Singh", "Tanaka", "Turner", "Vega",
    "Vogel", "Weber", "Yilmaz",
];
