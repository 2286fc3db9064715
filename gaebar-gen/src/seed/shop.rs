//! Rows of the headline set about what is sold, and about what happened.

use gaebar_runtime::model::Value;

use super::headline::{Kind, Row};
use super::people::address;
use super::{Draft, SeedError, geo, list, prose, text};

pub(super) fn order(row: &mut Row) -> Result<Draft, SeedError> {
    let placed = row.born()?;
    let paid = row.after(placed, 10)?;
    let note = row.dice.size(100, 1500);
    let at = geo(row.dice.decimal(5000, 6000, 100), row.dice.decimal(-600, 200, 100));
    let shipping = Draft::new()
        .set("at", at)
        .set("city", prose::label(&mut row.dice))
        .set("country", row.dice.pick(&["GB", "FR", "DE", "JP", "BR"]))
        .set("name", prose::name(&mut row.dice))
        .set("street", format!("{} {} Road", row.dice.between(1, 400), prose::label(&mut row.dice)))
        .embedded();
    // The earliest orders counted it in whole pounds.
    let discount =
        if row.dice.once_in(150) { Value::from(row.dice.integer(1, 20)) } else { row.dice.decimal(0, 2000, 100).into() };
    Ok(Draft::new()
        .maybe("coupon", row.dice.once_in(6).then(|| prose::slug(&mut row.dice).to_uppercase()))
        .set("currency", row.dice.pick(&["GBP", "EUR", "EUR", "JPY"]))
        .set("discount", discount)
        .set("gift", row.dice.once_in(10))
        .maybe("note", row.dice.once_in(2).then(|| text(prose::paragraphs(&mut row.dice, note))))
        .set("number", format!("2008-{:07}", row.number + 1))
        .nullable("paid", (!row.dice.once_in(7)).then_some(paid))
        .set("placed", placed)
        .set("shipping", shipping)
        .set("status", row.dice.pick(&["new", "packed", "sent", "sent", "sent", "returned"]))
        .set("total", row.dice.decimal(100, 90_000, 100)))
}

pub(super) fn order_line(row: &mut Row) -> Result<Draft, SeedError> {
    let sold = row.born()?;
    let returned = row.after(sold, 28)?;
    let description = row.dice.size(100, 1100);
    let options = (0..row.dice.size(0, 3)).map(|_| prose::label(&mut row.dice)).collect::<Vec<_>>();
    Ok(Draft::new()
        .set("description", Value::from(prose::line(&mut row.dice, description)).unindexed())
        .set("options", list(options))
        .set("product", prose::label(&mut row.dice))
        .set("quantity", row.dice.integer(1, 12))
        .maybe("rating", row.dice.once_in(3).then(|| Value::from(i64::from(row.dice.between(0, 100))).meaning(13)))
        .nullable("returned", row.dice.once_in(15).then_some(returned))
        .set("sku", format!("{:05}-{:03}", row.dice.between(0, 99_999), row.dice.between(0, 999)))
        .set("unit_price", row.dice.decimal(50, 30_000, 100))
        .set("vat", row.dice.pick(&["standard", "reduced", "none"])))
}

pub(super) fn audit_event(row: &mut Row) -> Result<Draft, SeedError> {
    let at = row.born()?;
    let (was, is) = (row.dice.size(400, 4000), row.dice.size(400, 4400));
    let kind = [Kind::Post, Kind::Page, Kind::Order, Kind::Profile][row.dice.size(0, 3)];
    let request = Draft::new()
        .set("method", Value::from(row.dice.pick(&["POST", "PUT", "PATCH", "DELETE"])).unindexed())
        .set("path", Value::from(format!("/admin/{}", prose::slug(&mut row.dice))).unindexed())
        .set("status", row.dice.integer(200, 204))
        .embedded();
    Ok(Draft::new()
        .set("action", row.dice.pick(&["edit", "edit", "publish", "refund", "delete", "sign-in"]))
        .set("actor", row.some(Kind::Account)?)
        .set("after", Value::from(prose::json(&mut row.dice, is)).unindexed())
        .set("at", at)
        .maybe("before", (!row.dice.once_in(6)).then(|| Value::from(prose::json(&mut row.dice, was)).unindexed()))
        .set("ip", address(row))
        .nullable("reason", row.dice.once_in(3).then(|| prose::sentence(&mut row.dice)))
        .set("request", request)
        .set("seconds", row.dice.decimal(1, 4000, 1000))
        .set("severity", row.dice.integer(0, 4))
        .set("succeeded", !row.dice.once_in(30))
        .set("target", row.some(kind)?))
}
