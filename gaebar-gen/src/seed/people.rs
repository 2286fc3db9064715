//! Rows of the headline set about people and what is theirs.

use gaebar_runtime::model::{Timestamp, Value};

use super::headline::{Kind, Row};
use super::{Draft, SeedError, geo, list, null, prose, text, user};

/// An address on the documentation network of RFC 5737.
pub(super) fn address(row: &mut Row) -> String {
    format!("203.0.113.{}", row.dice.between(1, 254))
}

pub(super) fn profile(row: &mut Row) -> Result<Draft, SeedError> {
    let joined = row.born()?;
    let (north, east) = (row.dice.decimal(-500_000, 600_000, 10_000), row.dice.decimal(-1_790_000, 1_800_000, 10_000));
    let about = row.dice.size(800, 4400);
    let handle = prose::slug(&mut row.dice);
    let avatar = row.some(Kind::Photo)?;
    Ok(Draft::new()
        .set("about", text(prose::paragraphs(&mut row.dice, about)))
        .nullable("avatar", (!row.dice.once_in(4)).then_some(avatar))
        .set("followers", row.dice.integer(0, 9000))
        .set("friends", list(row.several(Kind::Profile, 0, 8)?))
        .set("full_name", prose::name(&mut row.dice))
        .set("handle", format!("{handle}-{}", row.number + 1))
        .maybe("home", (!row.dice.once_in(3)).then_some(geo(north, east)))
        .set("joined", joined)
        // Imported from elsewhere.
        .maybe("legacy_id", row.dice.once_in(300).then(|| i64::from(row.dice.between(1, 99_999))))
        .set("newsletter", row.dice.once_in(3))
        .set("reputation", row.dice.decimal(0, 5000, 1000))
        .maybe("website", row.dice.once_in(2).then_some(Value::from(format!("https://{handle}.example.com/")).meaning(2))))
}

pub(super) fn account(row: &mut Row) -> Result<Draft, SeedError> {
    let created = row.born()?;
    let seen = row.after(created, 900)?;
    let email = format!("{}.{}@example.com", prose::slug(&mut row.dice), row.number + 1);
    let street = format!("{} {} Street\n{}", row.dice.between(1, 300), prose::label(&mut row.dice), prose::name(&mut row.dice));
    let phone = format!("+44 1632 960{:03}", row.dice.between(0, 999));
    let notes = row.dice.size(300, 1800);
    Ok(Draft::new()
        .maybe("address", (!row.dice.once_in(3)).then_some(Value::from(street).meaning(12).unindexed()))
        .set("balance", row.dice.decimal(-50_000, 1_950_000, 100))
        .set("created", created)
        .set("email", Value::from(email.as_str()).meaning(8))
        .nullable("last_seen", (!row.dice.once_in(5)).then_some(seen))
        .maybe("notes", (!row.dice.once_in(4)).then(|| text(prose::paragraphs(&mut row.dice, notes))))
        .set("password_hash", Value::from(row.dice.bytes(32)).unindexed())
        .maybe("phone", row.dice.once_in(2).then_some(Value::from(phone).meaning(11)))
        .set("plan", row.dice.pick(&["free", "free", "free", "plus", "pro"]))
        .set("profile", row.some(Kind::Profile)?)
        .set("user", user(&email, &format!("1{:020}", row.number * 982_451_653)))
        .set("verified", !row.dice.once_in(6)))
}

pub(super) fn session(row: &mut Row) -> Result<Draft, SeedError> {
    let started = row.born()?;
    let state = row.dice.size(40, 160);
    let version = row.dice.between(60, 120);
    let system = row.dice.pick(&["X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7"]);
    let device = Draft::new()
        .set("height", row.dice.integer(600, 2160))
        .set("touch", row.dice.once_in(2))
        .set("width", row.dice.integer(360, 3840))
        .embedded();
    let trail = row.dice.size(200, 1200);
    Ok(Draft::new()
        .set("account", row.some(Kind::Account)?)
        .set("csrf", Value::from(row.dice.bytes(16)).meaning(16).unindexed())
        .set("device", device)
        .set("expires", row.after(started, 30)?)
        .set("ip", address(row))
        .nullable("revoked", row.dice.once_in(8).then_some(true))
        .set("started", started)
        .maybe("state", (!row.dice.once_in(4)).then(|| Value::from(row.dice.bytes(state)).unindexed()))
        .set("trail", Value::from(prose::json(&mut row.dice, trail)).unindexed())
        .set("user_agent", Value::from(format!("SampleBrowser/{version}.0 ({system})")).unindexed()))
}

pub(super) fn message(row: &mut Row) -> Result<Draft, SeedError> {
    let sent = row.born()?;
    let read = row.after(sent, 20)?;
    let body = row.dice.size(1500, 9900);
    let attachments = (0..row.dice.size(0, 2)).map(|_| attachment(row)).collect::<Vec<_>>();
    Ok(Draft::new()
        .set("attachments", attachments)
        .set("body", text(prose::paragraphs(&mut row.dice, body)))
        .set("from", row.some(Kind::Profile)?)
        .maybe("in_reply_to", row.dice.once_in(3).then(|| row.some(Kind::Message)).transpose()?)
        .set("priority", row.dice.integer(1, 5))
        .nullable("read", (!row.dice.once_in(4)).then_some(read))
        .set("sent", sent)
        .set("spam_score", row.dice.decimal(0, 1000, 1000))
        .set("starred", row.dice.once_in(12))
        .set("subject", prose::title(&mut row.dice))
        .set("to", list(row.several(Kind::Profile, 1, 4)?)))
}

fn attachment(row: &mut Row) -> Value {
    Draft::new()
        .set("name", Value::from(format!("{}.pdf", prose::slug(&mut row.dice))).unindexed())
        .set("sha1", Value::from(row.dice.bytes(20)).unindexed())
        .set("size", row.dice.integer(1_000, 4_000_000))
        .embedded()
}

pub(super) fn setting(row: &mut Row) -> Result<Draft, SeedError> {
    let updated = row.born()?;
    let description = row.dice.size(200, 1400);
    let mut history = Vec::new();
    for _ in 0..row.dice.size(0, 3) {
        history.push(change(row, updated)?);
    }
    let value = setting_value(row);
    Ok(Draft::new()
        .set("changed_by", row.some(Kind::Account)?)
        .set("description", Value::from(prose::line(&mut row.dice, description)).unindexed())
        .set("history", history)
        .set("locked", row.dice.once_in(9))
        .set("name", format!("{}.{}", prose::slug(&mut row.dice), prose::slug(&mut row.dice)))
        .set("scope", row.dice.pick(&["site", "shop", "mail", "search"]))
        .set("updated", updated)
        .set("value", value))
}

/// No two settings need hold the same type.
fn setting_value(row: &mut Row) -> Value {
    match row.dice.below(6) {
        0 => row.dice.once_in(2).into(),
        1 => row.dice.integer(0, 10_000).into(),
        2 => row.dice.decimal(0, 10_000, 1000).into(),
        3 => list([prose::label(&mut row.dice), prose::label(&mut row.dice)]),
        4 => null(),
        _ => prose::label(&mut row.dice).into(),
    }
}

fn change(row: &mut Row, until: Timestamp) -> Result<Value, SeedError> {
    let at = Timestamp::new(until.seconds() - row.dice.integer(1, 9_000_000), 0)?;
    Ok(Draft::new().set("at", at).set("by", row.some(Kind::Account)?).set("why", prose::sentence(&mut row.dice)).embedded())
}
