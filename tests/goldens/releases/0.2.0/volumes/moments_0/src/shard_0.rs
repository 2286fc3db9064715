use gaebar_runtime::rows::*;
use release_models::Moments;

pub static ROWS: Rows<Moments> = &[
    (1, row_1),
];

pub fn row_1() -> Moments {
    Moments {
        key: Key("Moments/1"),
        before_1970: Time("1969-12-31T23:59:59.999999Z"),
        epoch: Time("1970-01-01T00:00:00Z"),
        first: Time("0001-01-01T00:00:00Z"),
        just_after_first: Time("0001-01-01T00:00:00.000001Z"),
        last: Time("9999-12-31T23:59:59.999999Z"),
        leap_day: Time("2000-02-29T23:59:59.500Z"),
        list: &[Time("1582-10-15T00:00:00Z"), Time("2038-01-19T03:14:08Z")],
        two: Value::List(&[Value::Time("2008-12-20T10:00:00.000100Z"), Value::Null]),
        ..Moments::BASE
    }
}
