use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Numbers("Numbers") {
        doubles("doubles"): List<f64>;
        half("half"): f64, excluded;
        infinity("infinity"): f64;
        integers("integers"): List<i64>;
        largest_double("largest_double"): f64;
        largest_integer("largest_integer"): i64;
        largest_subnormal("largest_subnormal"): f64;
        minus_infinity("minus_infinity"): f64;
        minus_zero("minus_zero"): f64;
        nan("nan"): f64;
        past_exact_integers("past_exact_integers"): i64;
        smallest_integer("smallest_integer"): i64;
        smallest_subnormal("smallest_subnormal"): f64;
        third("third"): f64;
        whole_double("whole_double"): f64;
        zero("zero"): f64;
    }
}
