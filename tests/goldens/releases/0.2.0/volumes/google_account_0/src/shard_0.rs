use gaebar_runtime::rows::*;
use release_models::GoogleAccount;

pub static ROWS: Rows<GoogleAccount> = &[
    (1, row_1),
    (2, row_2),
];

pub fn row_1() -> GoogleAccount {
    GoogleAccount {
        key: Key("GoogleAccount/1"),
        profile: Key("Profile/'stephalicious'"),
        user: Embedded(
            &[
                ("auth_domain", Value::Unindexed(&Value::Str("example.com"))),
                ("email", Value::Unindexed(&Value::Str("stephanie@example.com"))),
                ("user_id", Value::Unindexed(&Value::Str("101481234567890123456"))),
            ],
        ),
        ..GoogleAccount::BASE
    }
}

pub fn row_2() -> GoogleAccount {
    GoogleAccount {
        key: Key("GoogleAccount/2"),
        profile: Key("Profile/2"),
        user: Embedded(
            &[
                ("auth_domain", Value::Unindexed(&Value::Str("example.com"))),
                ("email", Value::Unindexed(&Value::Str("aral@example.com"))),
                ("user_id", Value::Unindexed(&Value::Str("101487654321098765432"))),
            ],
        ),
        ..GoogleAccount::BASE
    }
}
