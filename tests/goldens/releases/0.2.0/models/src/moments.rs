use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Moments("Moments") {
        before_1970("before_1970"): Time;
        epoch("epoch"): Time;
        first("first"): Time;
        just_after_first("just_after_first"): Time;
        last("last"): Time;
        leap_day("leap_day"): Time, excluded;
        list("list"): List<Time>;
        two("two"): Value;
    }
}
