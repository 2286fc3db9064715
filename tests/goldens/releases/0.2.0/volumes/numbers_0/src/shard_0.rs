use gaebar_runtime::rows::*;
use release_models::Numbers;

pub static ROWS: Rows<Numbers> = &[
    (1, row_1),
];

pub fn row_1() -> Numbers {
    Numbers {
        key: Key("Numbers/1"),
        doubles: &[f64::NAN, f64::NEG_INFINITY, -0.0, 0.0, 5e-324, 0.1],
        half: 0.5,
        infinity: f64::INFINITY,
        integers: &[-9223372036854775808, -1, 0, 1, 9223372036854775807],
        largest_double: 1.7976931348623157e308,
        largest_integer: 9223372036854775807,
        largest_subnormal: 2.225073858507201e-308,
        minus_infinity: f64::NEG_INFINITY,
        minus_zero: -0.0,
        nan: f64::NAN,
        past_exact_integers: 9007199254740993,
        smallest_integer: -9223372036854775808,
        smallest_subnormal: 5e-324,
        third: 0.3333333333333333,
        whole_double: 1e21,
        zero: 0.0,
        ..Numbers::BASE
    }
}
