//! Rows of the headline set that people write, feel or photograph.

use gaebar_runtime::model::Value;

use super::headline::{Kind, Row};
use super::people::address;
use super::{Draft, SeedError, geo, list, prose, text};

pub(super) fn post(row: &mut Row) -> Result<Draft, SeedError> {
    let written = row.born()?;
    let published = row.after(written, 40)?;
    // Most are short, a few are long.
    let body = row.dice.size(2000, 13_000).min(row.dice.size(2000, 22_000));
    let summary = row.dice.size(150, 500);
    let cover = row.some(Kind::Photo)?;
    let source = format!("https://archive.example.org/{}/{}", prose::slug(&mut row.dice), row.number);
    Ok(Draft::new()
        .set("author", row.some(Kind::Profile)?)
        .set("body", text(prose::paragraphs(&mut row.dice, body)))
        .set("category", Value::from(row.dice.pick(&["travel", "food", "making", "music", "letters"])).meaning(1))
        .set("comments_open", !row.dice.once_in(5))
        .maybe("cover", row.dice.once_in(2).then_some(cover))
        .maybe("imported_from", row.dice.once_in(400).then_some(Value::from(source).meaning(2)))
        .nullable("published", (!row.dice.once_in(8)).then_some(published))
        .set("score", row.dice.decimal(-2_000, 8_000, 100))
        .set("summary", Value::from(prose::line(&mut row.dice, summary)).unindexed())
        .set("tags", list(row.several(Kind::Tag, 0, 5)?))
        .set("title", prose::title(&mut row.dice))
        .set("views", row.dice.integer(0, 250_000))
        .set("written", written))
}

pub(super) fn comment(row: &mut Row) -> Result<Draft, SeedError> {
    let posted = row.born()?;
    let edited = row.after(posted, 2)?;
    let body = row.dice.size(100, 5600).min(row.dice.size(400, 7000));
    Ok(Draft::new()
        .set("author", row.some(Kind::Profile)?)
        .set("body", text(prose::paragraphs(&mut row.dice, body)))
        .maybe("edited", row.dice.once_in(7).then_some(edited))
        .set("flagged", row.dice.once_in(60))
        .set("ip", address(row))
        .set("likes", row.dice.integer(0, 300))
        .set("posted", posted)
        .maybe("reply_to", row.dice.once_in(3).then(|| row.some(Kind::Comment)).transpose()?)
        .nullable("sentiment", (!row.dice.once_in(10)).then(|| row.dice.decimal(-1000, 1000, 1000))))
}

pub(super) fn reaction(row: &mut Row) -> Result<Draft, SeedError> {
    let at = row.born()?;
    let undone = row.after(at, 3)?;
    Ok(Draft::new()
        .set("at", at)
        .set("feeling", row.dice.pick(&["👍", "👍", "👍", "🎉", "😕", "🚀", "thanks"]))
        .set("post", row.some(Kind::Post)?)
        .set("profile", row.some(Kind::Profile)?)
        .nullable("undone", row.dice.once_in(25).then_some(undone))
        .set("via", row.dice.pick(&["web", "web", "mail", "app"]))
        .set("weight", row.dice.integer(1, 3)))
}

pub(super) fn photo(row: &mut Row) -> Result<Draft, SeedError> {
    let taken = row.born()?;
    let place = geo(row.dice.decimal(-550_000, 650_000, 10_000), row.dice.decimal(-1_790_000, 1_800_000, 10_000));
    let caption = row.dice.size(150, 2600);
    let thumbnail = row.dice.size(90, 300);
    let exif = Draft::new()
        .set("aperture", Value::from(row.dice.decimal(14, 220, 10)).unindexed())
        .set("camera", Value::from(format!("Sample Optics {}", row.dice.between(1, 40) * 100)).unindexed())
        .set("flash", Value::from(row.dice.once_in(4)).unindexed())
        .set("iso", Value::from(row.dice.integer(1, 64) * 100).unindexed())
        .embedded()
        .unindexed();
    let keywords = (0..row.dice.size(0, 6)).map(|_| prose::label(&mut row.dice)).collect::<Vec<_>>();
    Ok(Draft::new()
        .set("blob", Value::from(format!("blob-{:020}", row.number * 7_919)).meaning(17))
        .set("caption", Value::from(prose::line(&mut row.dice, caption)).unindexed())
        .set("checksum", row.dice.bytes(20))
        .set("exif", exif)
        .set("height", row.dice.integer(480, 6000))
        .set("keywords", list(keywords))
        .set("owner", row.some(Kind::Profile)?)
        .maybe("place", (!row.dice.once_in(3)).then_some(place))
        .set("public", !row.dice.once_in(3))
        .set("taken", taken)
        .set("thumbnail", Value::from(row.dice.bytes(thumbnail)).unindexed())
        .set("width", row.dice.integer(640, 8000)))
}

pub(super) fn tag(row: &mut Row) -> Result<Draft, SeedError> {
    let created = row.born()?;
    let description = row.dice.size(300, 2400);
    Ok(Draft::new()
        .set("color", format!("#{:06x}", row.dice.between(0, 0x00ff_ffff)))
        .set("created", created)
        .set("description", Value::from(prose::paragraphs(&mut row.dice, description)).unindexed())
        .set("label", prose::label(&mut row.dice))
        .set("pinned", row.dice.once_in(20))
        .set("related", list(row.several(Kind::Tag, 0, 4)?))
        .set("uses", row.dice.integer(0, 5000)))
}

pub(super) fn page(row: &mut Row) -> Result<Draft, SeedError> {
    let published = row.born()?;
    let body = row.dice.size(6_000, 22_000);
    let style = row.dice.size(200, 1500);
    let mut translations = Draft::new();
    for language in ["de", "fr", "pt-BR", "日本語"] {
        if row.dice.once_in(3) {
            translations = translations.set(language, row.some(Kind::Page)?);
        }
    }
    let keywords = (0..row.dice.size(1, 5)).map(|_| Value::from(prose::label(&mut row.dice)).unindexed()).collect::<Vec<_>>();
    let rare_rule = format!("Disallow: /{}", prose::slug(&mut row.dice));
    Ok(Draft::new()
        .set("author", row.some(Kind::Profile)?)
        .set("body", Value::from(prose::page(&mut row.dice, body)).unindexed())
        .set("in_menu", row.dice.once_in(4))
        .set("keywords", keywords)
        .set("path", format!("/{}/{}", prose::slug(&mut row.dice), row.number + 1))
        .set("published", published)
        .set("revision", row.dice.integer(1, 60))
        // A name that no Rust field can have.
        .maybe("robots.txt", row.dice.once_in(40).then_some(rare_rule))
        .maybe("style", row.dice.once_in(3).then(|| Value::from(prose::json(&mut row.dice, style)).unindexed()))
        .set("template", row.dice.pick(&["plain", "wide", "gallery"]))
        .set("title", prose::title(&mut row.dice))
        .set("translations", translations.embedded()))
}
